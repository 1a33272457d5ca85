import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PoolState, PoolTable, type Preferences, type Requirements } from '../../src/routing/index.ts'
import { by, Oracle, pool } from './oracle.ts'

const NAMES = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9', 'p10', 'p11']
const CAPABILITIES = ['python', 'gpu', 'sql', 'text']
const name = fc.constantFrom(...NAMES)
const health = fc.constantFrom(
  'healthy' as const,
  'healthy' as const,
  'degraded' as const,
  'unavailable' as const,
)
const capabilities = fc.subarray(CAPABILITIES)
const region = fc.constantFrom(null, 'east', 'west')
const key = fc.constantFrom('a', 'b', 'c')
const strategy = fc.constantFrom(
  ...(['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity'] as const),
)

const descriptor = fc
  .record({
    name,
    capabilities,
    region,
    max_workers: fc.integer({ min: 1, max: 4 }),
    current_workers: fc.constantFrom(0, 0, 0, 1, 5),
    queue_size: fc.integer({ min: 0, max: 2 }),
    health_status: health,
  })
  .map((d) => pool(d.name, d))

const requirements: fc.Arbitrary<Requirements> = fc.record({
  capabilities: fc.oneof(
    { weight: 6, arbitrary: fc.subarray(CAPABILITIES, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constantFrom(['gpu', 'gpu'], ['nobody has it'], ['text', 'nobody has it']) },
  ),
  pool: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: name }),
})
const preferences: fc.Arbitrary<Preferences> = fc.record({
  strategy,
  region,
  affinityKey: key,
  preferred: fc.subarray([...CAPABILITIES, 'rare']),
  avoid: fc.oneof(
    fc.constant(null),
    fc.subarray(NAMES, { maxLength: 4 }).map((names) => new Set(names)),
  ),
})

type Step =
  | { do: 'upsert'; descriptor: ReturnType<typeof pool>; draining: boolean }
  | { do: 'remove'; name: string }
  | { do: 'release'; name: string }
  | { do: 'health'; name: string; health: 'healthy' | 'degraded' | 'unavailable' }
  | { do: 'suspend'; name: string; suspended: boolean }
  | { do: 'heartbeat'; name: string; workers: number; queue: number }
  | { do: 'dispatch'; requirements: Requirements; preferences: Preferences }
  | { do: 'completed'; key: string; name: string }
  | { do: 'failed'; key: string; name: string }

const draining = fc.constantFrom(false, false, false, true)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('upsert' as const), descriptor, draining }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('release' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('health' as const), name, health }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('suspend' as const), name, suspended: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('heartbeat' as const),
      name,
      workers: fc.nat(5),
      queue: fc.nat(2),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('dispatch' as const), requirements, preferences }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('completed' as const), key, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('failed' as const), key, name }) },
)

/** Does the same to both and compares what they decide. */
function run(steps: Step[], table: PoolTable, oracle: Oracle): void {
  const states = new Map<string, PoolState>()
  for (const s of steps) {
    if (s.do === 'upsert') {
      states.set(s.descriptor.name, table.upsert(s.descriptor, { draining: s.draining }))
      oracle.upsert(s.descriptor, s.draining)
    } else if (s.do === 'remove') {
      table.remove(s.name)
      oracle.remove(s.name)
    } else if (s.do === 'release') {
      const state = states.get(s.name)
      if (state) table.release(state)
      oracle.release(s.name)
    } else if (s.do === 'health') {
      table.setHealth(s.name, s.health)
      oracle.setHealth(s.name, s.health)
    } else if (s.do === 'suspend') {
      table.setSuspended(s.name, s.suspended)
      const model = oracle.pools.get(s.name)
      if (model) model.suspended = s.suspended
    } else if (s.do === 'heartbeat') {
      table.heartbeat(s.name, s.workers, s.queue)
      const model = oracle.pools.get(s.name)
      if (model) Object.assign(model, { foreign: Math.max(0, s.workers - model.running), queue: s.queue })
    } else if (s.do === 'completed' || s.do === 'failed') {
      table[s.do](s.key, s.name)
      if (!oracle.pools.has(s.name)) continue
      if (s.do === 'completed') oracle.bonds.set(s.key, s.name)
      else if (oracle.bonds.get(s.key) === s.name) oracle.bonds.delete(s.key)
    } else dispatch(s.requirements, s.preferences, table, oracle)
    if (table.freeSlotsTotal !== oracle.freeSlots()) expect(table.freeSlotsTotal).toBe(oracle.freeSlots())
  }
}

function dispatch(required: Requirements, preferred: Preferences, table: PoolTable, oracle: Oracle): void {
  const ranked = oracle.ranked(required, preferred)
  const explained = table.explain(required, preferred)
  const chosen = table.choose(required, preferred)
  expect(chosen?.name ?? null).toBe(ranked[0] ?? null)
  expect(table.anyFits(required)).toBe(oracle.anyFits(required))
  expect(explained.chosen).toBe(chosen?.name ?? null)
  const able = explained.candidates.filter(({ verdict }) => verdict === 'chosen' || verdict === 'fits')
  expect(able.map((candidate) => candidate.pool)).toEqual(ranked.slice(0, 50))
  expect(Object.values(explained.counts).reduce((sum, n) => sum + n, 0)).toBe(table.size)
  if (!chosen) return
  table.acquire(chosen)
  oracle.acquire(chosen.name, required, preferred)
  expect(chosen.running).toBeLessThanOrEqual(chosen.descriptor.max_workers)
}

const steps = fc.array(step, { minLength: 1, maxLength: 150, size: 'max' })

describe('a decision equals that of a look at every pool', () => {
  test('for random pools, load, health and order of events', () => {
    fc.assert(
      fc.property(steps, (all) => run(all, new PoolTable(), new Oracle())),
      { numRuns: 400 },
    )
  })

  test('with so few views that each is built again all the time', () => {
    const noRounds = steps.map((all) =>
      all.map((s) =>
        s.do === 'dispatch' && s.preferences.strategy === 'round_robin'
          ? { ...s, preferences: { ...s.preferences, strategy: 'least_loaded' as const } }
          : s,
      ),
    )
    fc.assert(
      fc.property(noRounds, (all) => run(all, new PoolTable({ maxViews: 2 }), new Oracle())),
      { numRuns: 100 },
    )
  })

  test('with many kinds of pools, where views note changes and play them later', () => {
    const many = fc.array(
      fc.record({
        at: fc.nat(199),
        strategy: fc.constantFrom(
          'least_loaded' as const,
          'capability_based' as const,
          'region_aware' as const,
        ),
        preferred: fc.nat(199),
        what: fc.constantFrom(
          'dispatch',
          'dispatch',
          'dispatch',
          'release',
          'load',
          'replace',
          'remove',
          'add',
        ),
        fits: fc.boolean(),
      }),
      { minLength: 100, maxLength: 400, size: 'max' },
    )
    fc.assert(
      fc.property(many, (events) => {
        const table = new PoolTable()
        const oracle = new Oracle()
        const kind = (i: number, more = {}) =>
          pool(`p${i}`, {
            capabilities: ['all', `only-${i}`, `tenth-${i % 10}`],
            max_workers: 2 + (i % 3),
            region: `r${i % 4}`,
            ...more,
          })
        const all: Step[] = Array.from({ length: 150 }, (_, i) => ({
          do: 'upsert',
          descriptor: kind(i),
          draining: false,
        }))
        for (const { at, strategy, preferred, what, fits } of events) {
          const p = `p${at}`
          if (what === 'dispatch')
            all.push({
              do: 'dispatch',
              requirements: { capabilities: fits ? ['all'] : [`tenth-${at % 10}`], pool: null },
              preferences: by(strategy, {
                region: 'r1',
                preferred: [`only-${preferred}`, `tenth-${preferred % 10}`],
              }),
            })
          else if (what === 'release') all.push({ do: 'release', name: p })
          else if (what === 'load') all.push({ do: 'heartbeat', name: p, workers: at % 4, queue: at % 3 })
          else if (what === 'replace')
            all.push({ do: 'upsert', descriptor: kind(at, { capabilities: ['all'] }), draining: false })
          else if (what === 'remove') all.push({ do: 'remove', name: p })
          else all.push({ do: 'upsert', descriptor: kind(at), draining: false })
        }
        run(all, table, oracle)
      }),
      { numRuns: 10 },
    )
  })
})
