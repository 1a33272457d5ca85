// All faults of a run, decided before it begins and from the seed alone.
import type { Action, Role } from '../history/events.ts'
import { Random } from './random.ts'

export interface Fault {
  n: number
  /** Milliseconds after the start of the run. */
  at: number
  role: Role
  /** Which of that role; `leader` is the executor that dispatches at that moment. */
  index: number | 'leader'
  action: Action
  /** Milliseconds that it stays killed or paused. */
  forMs: number
}

/** How often each is hit. The executor is where most of the promises are kept. */
const WEIGHTS: Record<Role, number> = {
  executor: 6,
  'worker-pool': 4,
  'plain-pool': 3,
  broker: 2,
  distributor: 2,
  'health-monitor': 1.5,
  registry: 1.5,
  submitter: 1,
  'http-pool': 3,
}
const ACTIONS: Record<Action, number> = { kill: 5, pause: 3.5, term: 1.5 }
const GAP_MS = [1_500, 4_500] as const
const DOWN_MS = [200, 4_000] as const
/** Shorter and longer than the 4 s after which an executor that is not heard is taken for dead. */
const PAUSE_MS = [500, 9_000] as const
/** A broker that stands still keeps everybody waiting; what matters happens at its end. */
const BROKER_PAUSE_MS = [500, 4_000] as const
const FIRST_MS = 2_000
/** A cluster of three goes on without one of them, but a second may not go before the first has caught up. */
const CLUSTER_REST_MS = 12_000

export function planFaults(
  seed: number,
  durationMs: number,
  counts: Readonly<Record<Role, number>>,
): readonly Fault[] {
  const random = new Random(seed)
  const faults: Fault[] = []
  let brokerFrom = 0
  for (let at = FIRST_MS; ; at += random.between(GAP_MS[0], GAP_MS[1])) {
    const weights = {
      ...WEIGHTS,
      broker: at < brokerFrom ? 0 : WEIGHTS.broker,
      'http-pool': counts['http-pool'] > 0 ? WEIGHTS['http-pool'] : 0,
    }
    const role = random.weighted(weights)
    const action = random.weighted(ACTIONS)
    const range = action === 'pause' ? (role === 'broker' ? BROKER_PAUSE_MS : PAUSE_MS) : DOWN_MS
    const forMs = random.between(range[0], range[1])
    const any = Math.floor(random.between(0, counts[role]))
    const index = role === 'executor' && random.chance(0.5) ? 'leader' : any
    if (at + forMs > durationMs) return faults
    if (role === 'broker') brokerFrom = at + forMs + (counts.broker > 1 ? CLUSTER_REST_MS : 4_000)
    faults.push({ n: faults.length, at: Math.round(at), role, index, action, forMs: Math.round(forMs) })
  }
}
