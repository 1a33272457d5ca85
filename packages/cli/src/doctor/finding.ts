import { isNothing } from '@poolmesh/bus'

/** What one check came to. */
export interface Finding {
  check: string
  outcome: 'ok' | 'warn' | 'fail'
  found: string
  /** What to do; null where all is well. */
  advice: string | null
}

export const ok = (check: string, found: string): Finding => ({ check, outcome: 'ok', found, advice: null })
export const warn = (check: string, found: string, advice: string): Finding => ({
  check,
  outcome: 'warn',
  found,
  advice,
})
export const fail = (check: string, found: string, advice: string): Finding => ({
  check,
  outcome: 'fail',
  found,
  advice,
})

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What to do where something is missing. */
const REMADE = 'Restart a service, such as the registry: services make what is missing when they start.'

const NEARLY_FULL = 0.8

/** What to do where something is there and its server is not. */
const LEADERLESS =
  'Look again in a moment: a cluster chooses another leader within seconds. If it lasts, start the servers of NATS that are down.'

/**
 * Of what is not in the server's list, which in a cluster lacks what has no leader that answers now.
 * @param ask rejects with what the server says of one
 * @returns null: all of it is there
 */
export async function absence(
  check: string,
  unlisted: readonly string[],
  ask: (name: string) => Promise<unknown>,
): Promise<Finding | null> {
  const said = await Promise.all(
    unlisted.map((name) => ask(name).then(null, (error) => (isNothing(error) ? 'missing' : 'silent'))),
  )
  const those = (kind: string): string => unlisted.filter((_, i) => said[i] === kind).join(', ')
  const [missing, silent] = [those('missing'), those('silent')]
  if (missing) return fail(check, `missing: ${missing}`, REMADE)
  return silent ? fail(check, `without an answer: ${silent}`, LEADERLESS) : null
}

/** What is used of a limit. @param format how a number of it is told */
export function usage(
  check: string,
  { used, limit, advice }: { used: number; limit: number; advice: string },
  format: (count: number) => string = String,
): Finding {
  const found = `${format(used)} of ${format(limit)}`
  if (used >= limit) return fail(check, `${found}: full`, advice)
  if (used >= limit * NEARLY_FULL) return warn(check, `${found}: nearly full`, advice)
  return ok(check, found)
}

/** `1.5 MiB`, `8.0 GiB`. */
export const formatBytes = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`
