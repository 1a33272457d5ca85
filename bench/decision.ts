// How long a routing decision takes and what a pool costs in memory: `node --expose-gc bench/decision.ts`.
//
// One decision is choose + acquire of that pool + release of a task that was dispatched earlier, so that load changes
// all the time and half of the slots are taken. It measures the pool table alone: no bus, no tasks.
//   kinds    how many different sets of capabilities there are; `own` gives each pool one that no other pool has
//   views    with so many different requirements (and preferences) in turn
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type PoolState, PoolTable, type Preferences, type Requirements } from '@poolmesh/core'
import { poolDescriptorSchema, RoutingStrategy } from '@poolmesh/types'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
/** Twice: what the first leaves to finalizers goes with the second. */
const collect = (): void => {
  gc()
  gc()
}
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const REGIONS = [
  'us-east-1',
  'us-west-2',
  'eu-west-1',
  'eu-central-1',
  'ap-south-1',
  'ap-east-1',
  'sa-east-1',
  'af-1',
]
const DECISIONS = 200_000

/** A small generator with a seed, so that every run does the same. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** As it comes from the wire: nothing is shared between two pools. */
const descriptorText = (i: number, kinds: number, own: boolean): string =>
  JSON.stringify({
    name: `pool-${i}`,
    pool_type: 'nats',
    endpoint: `nats://10.0.${i >> 8}.${i & 255}:4222`,
    capabilities: ['python', `model-${i % kinds}`, `tier-${(i % kinds) % 7}`, ...(own ? [`host-${i}`] : [])],
    max_workers: 4 + (i % 13),
    region: REGIONS[i % REGIONS.length],
    metadata: { version: '1.4.2', owner: `team-${i % 40}`, poolmesh: { batch: true } },
  })

function build(pools: number, kinds: number, own: boolean) {
  const texts = Array.from({ length: pools }, (_, i) => descriptorText(i, kinds, own))
  const table = new PoolTable()
  collect()
  const memoryBefore = process.memoryUsage()
  let parsing = 0
  const began = performance.now()
  for (const text of texts) {
    const at = performance.now()
    const descriptor = poolDescriptorSchema.parse(JSON.parse(text))
    parsing += performance.now() - at
    table.upsert(descriptor)
  }
  const took = performance.now() - began
  collect()
  const after = process.memoryUsage()
  // The texts, which are no part of the table, must not be collected in between.
  const kept = texts.length
  const bytes = after.heapUsed + after.external - memoryBefore.heapUsed - memoryBefore.external
  return { table, buildMs: took - parsing, parsingMs: parsing, bytesPerPool: bytes / kept }
}

interface Load {
  table: PoolTable
  requirements: readonly Requirements[]
  preferences: readonly Preferences[]
}

function measure({ table, requirements, preferences }: Load, decisions = DECISIONS) {
  const random = randomFrom(7)
  const held: PoolState[] = []
  let next = 0
  const decide = (): boolean => {
    const which = next++
    const pool = table.choose(
      requirements[which % requirements.length] as Requirements,
      preferences[which % preferences.length] as Preferences,
    )
    if (pool) {
      table.acquire(pool)
      held.push(pool)
    }
    return pool !== null
  }
  const giveBack = (): void => {
    const at = random(held.length)
    const pool = held[at]
    if (!pool) return
    held[at] = held.at(-1) as PoolState
    held.pop()
    table.release(pool)
  }
  const half = table.freeSlotsTotal / 2
  // Half of all slots may be more than those that fit.
  let misses = 0
  while (held.length < half && held.length < 500_000 && misses < requirements.length)
    misses = decide() ? 0 : misses + 1
  for (let i = 0; i < 20_000; i++) {
    decide()
    giveBack()
  }
  const times = new Float64Array(decisions)
  const began = performance.now()
  for (let i = 0; i < decisions; i++) {
    const at = process.hrtime.bigint()
    decide()
    giveBack()
    times[i] = Number(process.hrtime.bigint() - at) / 1000
  }
  const mean = ((performance.now() - began) * 1000) / decisions
  for (const pool of held) table.release(pool)
  times.sort()
  const part = (share: number) => times[Math.min(decisions - 1, Math.floor(decisions * share))] as number
  return { mean, p50: part(0.5), p99: part(0.99), p999: part(0.999), worst: part(1) }
}

const wish = (strategy: RoutingStrategy, more: Partial<Preferences> = {}): Preferences => ({
  strategy,
  region: 'eu-west-1',
  affinityKey: 'render',
  preferred: ['tier-3', 'model-5'],
  avoid: null,
  ...more,
})

const cell = (value: number): string => value.toFixed(2).padStart(9)
function row(name: string, load: Load, decisions?: number): void {
  const { mean, p50, p99, p999, worst } = measure(load, decisions)
  say(`  ${name.padEnd(34)}${cell(mean)}${cell(p50)}${cell(p99)}${cell(p999)}${cell(worst)}`)
}

for (const [pools, kinds, own] of [
  [100, 20, false],
  [10_000, 200, false],
  [100_000, 1_000, false],
  [10_000, 200, true],
  [100_000, 1_000, true],
] as const) {
  const { table, buildMs, parsingMs, bytesPerPool } = build(pools, kinds, own)
  say(
    `\n${pools} pools, ${own ? 'each of a kind of its own' : `${kinds} kinds`}: built in ${buildMs.toFixed(0)} ms ` +
      `(and ${parsingMs.toFixed(0)} ms to parse), ${bytesPerPool.toFixed(0)} bytes a pool`,
  )
  say(`  ${'µs a decision'.padEnd(34)}     mean      p50      p99    p99.9    worst`)
  const any: Requirements[] = [{ capabilities: ['python'], pool: null }]
  table.completed('render', 'pool-7')
  for (const strategy of Object.values(RoutingStrategy))
    row(strategy, { table, requirements: any, preferences: [wish(strategy)] })
  row('least_loaded, 3 to avoid', {
    table,
    requirements: any,
    preferences: [wish('least_loaded', { avoid: new Set(['pool-1', 'pool-2', 'pool-3']) })],
  })
  const all = Array.from({ length: 100 }, (_, i) => ({
    capabilities: ['python', `model-${i % kinds}`],
    pool: null,
  }))
  row('all strategies, 100 requirements', {
    table,
    requirements: all,
    preferences: Object.values(RoutingStrategy).map((strategy) => wish(strategy)),
  })
  const sets = Array.from({ length: 500 }, (_, i) =>
    wish('capability_based', { preferred: [`model-${i % kinds}`, `tier-${i % 7}`] }),
  )
  row(
    'capability_based, 500 preferences',
    { table, requirements: any, preferences: sets },
    own ? 2_000 : 20_000,
  )
}
