import { setTimeout as pause } from 'node:timers/promises'
import type { JsMsg } from '@nats-io/jetstream'
import { loadSettings } from '@poolmesh/bus'
import { type DistributedPoolSystem, PoolmeshError } from '@poolmesh/client'
import { type AlertGrouping, type AlertShape, isId, poolEventSchema } from '@poolmesh/types'
import { bodyOf, type PoolAlert } from '../alerts/bodies.ts'
import { deliver, type Receiver } from '../alerts/deliver.ts'
import { Delivered, groupsOf } from '../alerts/groups.ts'
import { EventPosition, keep } from '../alerts/position.ts'
import type { ForwardOptions } from '../commands/alerts.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import { notice } from '../output.ts'
import { withSystem } from '../system.ts'

const AGAIN_MS = 1_000

interface Forwarding {
  receiver: Receiver
  /** What may be told of where it is: the rest of a webhook's address is its secret. */
  host: string
  shape: AlertShape
  groupBy: AlertGrouping
  /** Seconds. */
  window: number
  name: string
  link: string | undefined
}

/** The options, over the settings. @throws PoolmeshError INVALID_INPUT, INVALID_SETTING */
function forwardingOf(options: ForwardOptions): Forwarding {
  const { poolmesh: settings } = loadSettings()
  const url = options.to ?? settings.alerts_url ?? ''
  const { protocol = '', host = '' } = URL.parse(url) ?? {}
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new PoolmeshError(
      'INVALID_INPUT',
      'say where to: --to or POOLMESH_ALERTS_URL must be an http or https URL',
    )
  const { name = settings.alerts_name, window = settings.alerts_window } = options
  if (!isId(name))
    throw new PoolmeshError('INVALID_INPUT', '--name must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -')
  if (!(window >= 0 && window <= 3_600))
    throw new PoolmeshError('INVALID_INPUT', '--window must be seconds from 0 to 3600')
  return {
    receiver: { url, authorization: settings.alerts_authorization },
    host,
    shape: options.shape ?? settings.alerts_shape,
    groupBy: options.groupBy ?? settings.alerts_group_by,
    window,
    name,
    link: options.link ?? settings.alerts_link,
  }
}

/** Runs until it is told to stop, which is no failure: what is not delivered by then is delivered by the next. */
export async function forwardAlerts(options: ForwardOptions): Promise<ExitCode> {
  const forwarding = forwardingOf(options)
  const { host, shape, name, window } = forwarding
  using interruption = onInterrupt()
  const { signal } = interruption
  await withSystem(options, async (system) => {
    const position = await EventPosition.open(system, name, signal)
    const delivered = new Delivered()
    notice(`forwarding alerts to ${host} as ${shape}, from the position ${name}`)
    while (!signal.aborted) {
      try {
        const messages = await position.take(window * 1_000)
        if (messages.length > 0) await forward(system, messages, forwarding, delivered, signal)
      } catch (error) {
        if (signal.aborted) return
        notice(`the events cannot be read now, trying again: ${(error as Error).message}`)
        await pause(AGAIN_MS, undefined, { signal }).catch(() => {})
      }
    }
  })
  return EXIT.done
}

async function forward(
  system: DistributedPoolSystem,
  messages: readonly JsMsg[],
  forwarding: Forwarding,
  delivered: Delivered,
  signal: AbortSignal,
): Promise<void> {
  using _ = keep(messages)
  const pools = new Map<string, Promise<Pick<PoolAlert, 'pool_type' | 'region'>>>()
  const byEvent = new Map<string, { alert: PoolAlert; messages: JsMsg[] }>()
  for (const message of messages) {
    const read = poolEventSchema.safeParse(jsonOf(message))
    if (!read.success || delivered.has(read.data.event_id)) {
      message.ack()
      continue
    }
    const known = byEvent.get(read.data.event_id)
    if (known) {
      known.messages.push(message)
      continue
    }
    const { pool } = read.data
    const about = pools.get(pool) ?? aboutPool(system, pool)
    pools.set(pool, about)
    const kind = message.subject === 'pool.recovered' ? 'recovered' : 'unhealthy'
    byEvent.set(read.data.event_id, { alert: { ...read.data, kind, ...(await about) }, messages: [message] })
  }
  for (const group of groupsOf(
    [...byEvent.values()].map(({ alert }) => alert),
    forwarding.groupBy,
  )) {
    const arrived = await deliver(forwarding.receiver, bodyOf(forwarding.shape, group, forwarding.link), {
      signal,
      onProblem: (problem, ms) =>
        notice(`${group.alerts.length} alerts are not delivered: ${problem}; again in ${ms} ms`),
    })
    if (!arrived) return
    for (const { event_id } of group.alerts) {
      delivered.add(event_id)
      // Told to the broker before we go on: what it does not know of would be delivered twice.
      await Promise.all(byEvent.get(event_id)?.messages.map((message) => message.ackAck()) ?? [])
    }
    notice(`delivered ${group.alerts.length} alerts${group.key === '' ? '' : ` of ${group.key}`}`)
  }
}

function jsonOf(message: JsMsg): unknown {
  try {
    return message.json()
  } catch {
    return null
  }
}

/** One that is not registered any more has nothing to tell. */
async function aboutPool(
  system: DistributedPoolSystem,
  name: string,
): Promise<Pick<PoolAlert, 'pool_type' | 'region'>> {
  try {
    const { pool_type, region } = await system.registry.getPoolStatus(name)
    return { pool_type, region: region ?? null }
  } catch {
    return { pool_type: null, region: null }
  }
}
