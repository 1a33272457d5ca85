import type { NatsConnection } from '@nats-io/transport-node'

/** Milliseconds that each part has to answer. */
const PROBE_TIMEOUT_MS = 1_000
const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor'] as const
/** Without these no task runs; without the others some do. */
const REQUIRED: readonly string[] = ['nats', 'registry', 'executor']

export interface Readiness {
  ready: boolean
  /** What has to answer and does not. */
  missing: string[]
  parts: Record<string, 'up' | 'down'>
}

/**
 * Asks the broker and, as micro services (`$SRV.PING`), everyone behind it. Requests that come while a probe is under
 * way share its answer, so that many callers cost the bus no more than one.
 */
export function readinessProbe(nc: NatsConnection): () => Promise<Readiness> {
  let underway: Promise<Readiness> | null = null
  return () => {
    underway ??= probe(nc).finally(() => {
      underway = null
    })
    return underway
  }
}

async function probe(nc: NatsConnection): Promise<Readiness> {
  const answers = await Promise.all([
    answered(withLimit(nc.flush())),
    ...SERVICES.map((name) =>
      answered(nc.request(`$SRV.PING.poolmesh-${name}`, '', { timeout: PROBE_TIMEOUT_MS })),
    ),
  ])
  const parts: Readiness['parts'] = {}
  for (const [index, name] of ['nats', ...SERVICES].entries()) parts[name] = answers[index] ? 'up' : 'down'
  const missing = REQUIRED.filter((name) => parts[name] !== 'up')
  return { ready: missing.length === 0, missing, parts }
}

const answered = (asking: Promise<unknown>): Promise<boolean> =>
  asking.then(
    () => true,
    () => false,
  )

/** A flush waits for as long as the connection is away. */
async function withLimit(flush: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), PROBE_TIMEOUT_MS)
  })
  flush.catch(() => {})
  try {
    await Promise.race([flush, limit])
  } finally {
    clearTimeout(timer)
  }
}
