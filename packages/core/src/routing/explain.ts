// The answer to "why this pool?" and "why does it wait?". Looks at every pool: for people, not for dispatching.
import type { Candidate } from '@poolmesh/types'
import { lessLoaded, type Pool, Rank } from './pool-state.ts'
import { covers, type Preferences, type Requirements } from './requirements.ts'
import type { Rotation } from './rotation.ts'

export interface Explanation {
  chosen: string | null
  /** The best first, in the order in which they would be chosen. */
  candidates: Candidate[]
  /** Pools by reason. */
  counts: Record<string, number>
}

interface Question {
  pools: Iterable<Pool>
  requirements: Requirements
  preferences: Preferences
  chosen: Pool | null
  /** The pool that affinity binds the task to. */
  bound: Pool | undefined
  /** The round that the task is part of. */
  rotation: Rotation | undefined
  limit: number
}

interface Judged extends Pick<Candidate, 'verdict' | 'reason'> {
  pool: Pool
  /** Verdict, health, failed before, what the strategy wants: each lower is better, the first that differs decides. */
  order: readonly number[]
  score: number | null
}

export function explain(question: Question): Explanation {
  const { pools, chosen, limit } = question
  const counts = new Map<string, number>()
  let found: Judged[] = []
  for (const pool of pools) {
    const judged = judge(pool, question)
    counts.set(judged.reason, (counts.get(judged.reason) ?? 0) + 1)
    found.push(judged)
    // Bounded: what is far behind is dropped on the way.
    if (found.length > 4 * limit + 1_000) found = best(found, limit)
  }
  return {
    chosen: chosen?.name ?? null,
    candidates: best(found, limit).map(({ pool, verdict, reason, score }) => ({
      pool: pool.name,
      verdict,
      reason,
      score,
      ...(pool.cancel === undefined ? {} : { cancel: pool.cancel }),
      ...(pool.output === undefined ? {} : { output: pool.output }),
    })),
    counts: Object.fromEntries(counts),
  }
}

const best = (found: Judged[], limit: number): Judged[] => found.sort(compare).slice(0, limit)

function compare(a: Judged, b: Judged): number {
  for (const [i, value] of a.order.entries()) {
    const difference = value - (b.order[i] as number)
    if (difference !== 0) return difference
  }
  return lessLoaded(a.pool, b.pool) ? -1 : 1
}

const VERDICTS = ['chosen', 'fits', 'full', 'unavailable', 'unfit'] as const

function judge(pool: Pool, question: Question): Judged {
  const { preferences } = question
  const said = verdictOf(pool, question)
  const unfit = said.verdict === 'unfit'
  const { wish, score } = unfit ? { wish: 0, score: null } : wishOf(pool, question)
  const avoided = preferences.avoid?.has(pool.name) ? 1 : 0
  // A round looks at no load.
  const place = preferences.strategy === 'round_robin' ? pool.serial : 0
  return { pool, ...said, order: [VERDICTS.indexOf(said.verdict), pool.rank, avoided, wish, place], score }
}

function verdictOf(
  pool: Pool,
  { requirements, preferences, chosen }: Question,
): Pick<Candidate, 'verdict' | 'reason'> {
  if (requirements.pool !== null && requirements.pool !== pool.name)
    return { verdict: 'unfit', reason: 'not the pool asked for' }
  if (!pool.group || !covers(pool.group.capabilities, requirements.capabilities))
    return { verdict: 'unfit', reason: 'lacks a required capability' }
  if (pool.health === 'unavailable') return { verdict: 'unavailable', reason: 'unavailable' }
  if (!pool.served)
    return { verdict: 'unavailable', reason: pool.obstacle ?? 'tasks cannot be sent to pools of its kind' }
  if (pool.draining) return { verdict: 'unavailable', reason: 'draining' }
  if (pool.suspended) return { verdict: 'unavailable', reason: 'did not take what was sent to it just now' }
  if (pool === chosen) return { verdict: 'chosen', reason: 'the best that fits' }
  if (pool.rank === Rank.BUSY) return { verdict: 'full', reason: 'no free slot' }
  if (pool.rank === Rank.DEGRADED) return { verdict: 'fits', reason: 'fits, but is degraded' }
  if (preferences.avoid?.has(pool.name)) return { verdict: 'fits', reason: 'fits, but the task failed there' }
  return { verdict: 'fits', reason: 'fits, but another is better' }
}

/** What the strategy looks at before load (lower is better), and what is shown of it. */
function wishOf(
  pool: Pool,
  { requirements, preferences, bound, rotation }: Question,
): { wish: number; score: number } {
  const load = Math.round(pool.load * 1000) / 1000
  switch (preferences.strategy) {
    case 'least_loaded':
      return { wish: 0, score: load }
    case 'round_robin': {
      const turn = rotation?.turnOf(pool) ?? 0
      return { wish: turn, score: turn }
    }
    case 'capability_based': {
      const wanted = new Set([...requirements.capabilities, ...preferences.preferred])
      const matching = [...(pool.group?.capabilities ?? [])].filter((c) => wanted.has(c)).length
      return { wish: -matching, score: matching }
    }
    case 'region_aware': {
      const local = preferences.region !== null && pool.descriptor.region === preferences.region
      return { wish: local ? 0 : 1, score: load }
    }
    case 'affinity':
      return { wish: pool === bound ? 0 : 1, score: load }
  }
}
