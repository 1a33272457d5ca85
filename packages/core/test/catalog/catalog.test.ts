import { type HealthStatus, type PoolDescriptor, type PoolView, withDerived } from '@poolmesh/types'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PoolCatalog, type PoolFilter, type RegisteredPool } from '../../src/catalog/index.ts'

const VALID_MS = 15_000

const pool = (name: string, fields: Partial<RegisteredPool> = {}): RegisteredPool => ({
  name,
  pool_type: 'nats',
  capabilities: [],
  max_workers: 10,
  current_workers: 0,
  queue_size: 0,
  health_status: 'healthy',
  region: null,
  metadata: {},
  registered_at: '2030-01-01T00:00:00.000Z',
  ...fields,
})

const names = (views: Iterable<PoolDescriptor>): string[] => [...views].map((view) => view.name)

describe('the same as a table that is searched from end to end', () => {
  const name = fc.integer({ min: 0, max: 30 }).map((n) => `p${n}`)
  const time = fc.constantFrom('t1', 't2')
  const health = fc.constantFrom<HealthStatus>('healthy', 'degraded', 'unavailable')
  const descriptor = fc.record({
    name,
    pool_type: fc.constantFrom('nats' as const, 'mahavishnu' as const),
    capabilities: fc.array(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor'), { maxLength: 4 }),
    region: fc.constantFrom(null, 'eu', 'us'),
    health_status: health,
    registered_at: time,
    draining: fc.constantFrom(undefined, true),
    metadata: fc.constantFrom<Record<string, unknown>>({}, { discovered_from: 'http://a' }),
  })
  const operation = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('put' as const), pool: descriptor, late: fc.nat(3) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), name, late: fc.nat(3) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('judge' as const),
        name,
        verdict: fc.option(fc.record({ status: health, registered_at: time })),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('beat' as const),
        name,
        workers: fc.nat(12),
        queued: fc.nat(3),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('load' as const),
        executor: fc.constantFrom('x', 'y'),
        name,
        tasks: fc.nat(3),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(1, 3_000, 3_001, VALID_MS),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('heard' as const) }) },
  )
  const filter: fc.Arbitrary<PoolFilter> = fc.record(
    {
      capability: fc.constantFrom('a', 'b', '__proto__', 'nobody'),
      region: fc.constantFrom('eu', 'us', 'mars'),
      pool_type: fc.constantFrom('nats', 'mahavishnu', 'kubernetes'),
      active_only: fc.boolean(),
    },
    { requiredKeys: [] },
  )

  interface Row {
    pool: RegisteredPool | null
    revision: number
    beat: { at: number; workers: number; queued: number } | null
  }

  test('pages, statistics and views', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 120 }),
        filter,
        fc.option(name),
        (operations, sought, after) => {
          const catalog = new PoolCatalog(VALID_MS)
          const rows = new Map<string, Row>()
          const verdicts = new Map<string, { status: HealthStatus; registered_at: string }>()
          const loads = new Map<string, { tasks: number; at: number }>()
          let revision = 10
          let now = 0
          const write = (key: string, to: RegisteredPool | null, late: number): void => {
            // Some changes are told after later ones.
            const at = late === 0 ? ++revision : revision - late
            const row = rows.get(key)
            if (row && row.revision >= at) return
            const same = row?.pool && to && row.pool.registered_at === to.registered_at
            rows.set(key, { pool: to, revision: at, beat: same ? row.beat : null })
          }
          for (const op of operations) {
            switch (op.kind) {
              case 'put': {
                const { draining, ...fields } = op.pool
                const put = pool(op.pool.name, draining ? { ...fields, draining } : fields)
                write(op.pool.name, put, op.late)
                catalog.put(put, op.late === 0 ? revision : revision - op.late)
                break
              }
              case 'remove':
                write(op.name, null, op.late)
                catalog.remove(op.name, op.late === 0 ? revision : revision - op.late)
                break
              case 'judge':
                if (op.verdict) verdicts.set(op.name, op.verdict)
                else verdicts.delete(op.name)
                catalog.judge(op.name, op.verdict)
                break
              case 'beat': {
                const row = rows.get(op.name)
                if (row?.pool) row.beat = { at: now, workers: op.workers, queued: op.queued }
                expect(catalog.heartbeat(op.name, op.workers, op.queued, now)).toBe(row?.pool != null)
                break
              }
              case 'load':
                loads.set(`${op.executor} ${op.name}`, { tasks: op.tasks, at: now })
                catalog.executors.report(op.executor, [[op.name, op.tasks]], now)
                break
              case 'wait':
                now += op.ms
                catalog.executors.prune(now)
                break
              case 'heard':
                // Nothing that is told later is older than that, so rows of removed pools are forgotten with it.
                catalog.heard(revision)
                revision += 4
                break
            }
          }
          const healthOf = (row: RegisteredPool): HealthStatus => {
            const verdict = verdicts.get(row.name)
            return verdict?.registered_at === row.registered_at ? verdict.status : row.health_status
          }
          const view = ({ pool: stored, beat }: Row): PoolView => {
            const running = ['x', 'y'].reduce((sum, executor) => {
              const load = loads.get(`${executor} ${stored!.name}`)
              return sum + (load && now - load.at <= 3_000 ? load.tasks : 0)
            }, 0)
            const beats = beat !== null && now - beat.at <= VALID_MS
            return withDerived({
              ...stored!,
              health_status: healthOf(stored!),
              current_workers: beats ? beat.workers : stored!.current_workers + running,
              queue_size: beats ? beat.queued : stored!.queue_size,
            })
          }
          const active = (stored: RegisteredPool): boolean =>
            stored.draining !== true && healthOf(stored) !== 'unavailable'
          const live = [...rows.values()].filter((row) => row.pool !== null)
          const expected = live
            .filter(
              ({ pool: stored }) =>
                (sought.capability === undefined || stored!.capabilities.includes(sought.capability)) &&
                (sought.region === undefined || stored!.region === sought.region) &&
                (sought.pool_type === undefined || stored!.pool_type === sought.pool_type) &&
                (sought.active_only !== true || active(stored!)) &&
                (after === null || stored!.name > after),
            )
            .map(view)
            .sort((a, b) => (a.name < b.name ? -1 : 1))
          expect([...catalog.walk(sought, after, now)]).toEqual(expected)

          const stats = catalog.stats()
          expect(stats.total).toBe(live.length)
          expect(stats.active).toBe(live.filter((row) => active(row.pool!)).length)
          expect(catalog.size).toBe(live.length)
          for (const capability of ['a', 'b', 'c', '__proto__', 'constructor'])
            expect(stats.capabilities.get(capability) ?? 0).toBe(
              live.filter((row) => row.pool!.capabilities.includes(capability)).length,
            )
          expect([...stats.types.values()].reduce((sum, count) => sum + count, 0)).toBe(live.length)
          expect([...catalog.draining].sort()).toEqual(
            live
              .filter((row) => row.pool!.draining)
              .map((row) => row.pool!.name)
              .sort(),
          )
          expect(catalog.discoveredAt('http://a')).toEqual(
            live
              .filter((row) => row.pool!.metadata['discovered_from'])
              .map((row) => row.pool!.name)
              .sort(),
          )
        },
      ),
      { numRuns: 500 },
    )
  })
})

test('thousands of names stay in order while they come and go', () => {
  const catalog = new PoolCatalog(VALID_MS)
  const kept = new Set<string>()
  let revision = 0
  for (let i = 0; i < 5_000; i++) {
    const name = `p${(i * 7_919) % 5_000}`
    kept.add(name)
    catalog.put(pool(name), ++revision)
  }
  for (let i = 0; i < 4_500; i++) {
    const name = `p${(i * 6_007) % 5_000}`
    kept.delete(name)
    catalog.remove(name, ++revision)
  }
  expect(names(catalog.walk({}, null, 0))).toEqual([...kept].sort())
  expect(names(catalog.walk({}, 'p25', 0))).toEqual([...kept].sort().filter((name) => name > 'p25'))
})

describe('a process hears of its own writes after it has made them', () => {
  test('what is told late does not undo what is newer', () => {
    const catalog = new PoolCatalog(VALID_MS)
    expect(catalog.put(pool('p', { region: 'new' }), 8)).toBe(true)
    expect(catalog.put(pool('p', { region: 'old' }), 7)).toBe(false)
    expect(catalog.remove('p', 6)).toBe(false)
    expect(catalog.view('p', 0)?.region).toBe('new')
  })

  test('a removed pool does not come back with the news of its registration', () => {
    const catalog = new PoolCatalog(VALID_MS)
    catalog.put(pool('p'), 7)
    catalog.remove('p', 8)
    expect(catalog.put(pool('p'), 7)).toBe(false)
    expect(catalog.view('p', 0)).toBeUndefined()
    catalog.heard(8)
    expect(catalog.put(pool('p'), 9)).toBe(true)
  })
})

test('live load ends with the registration that it belongs to, and goes on when the pool drains', () => {
  const catalog = new PoolCatalog(VALID_MS)
  catalog.put(pool('p'), 1)
  catalog.heartbeat('p', 7, 2, 0)
  catalog.put(pool('p', { draining: true }), 2)
  expect(catalog.view('p', 1)).toMatchObject({ current_workers: 7, queue_size: 2, is_available: false })
  catalog.put(pool('p', { registered_at: '2030-01-01T00:00:01.000Z' }), 3)
  expect(catalog.view('p', 1)).toMatchObject({ current_workers: 0, queue_size: 0, is_available: true })
})

test('a verdict counts for the registration that it is about, also when it came first', () => {
  const catalog = new PoolCatalog(VALID_MS)
  catalog.judge('p', { status: 'unavailable', registered_at: 'second' })
  catalog.put(pool('p', { registered_at: 'first', health_status: 'degraded' }), 1)
  expect(catalog.view('p', 0)?.health_status).toBe('degraded')
  expect(catalog.stats().active).toBe(1)
  catalog.put(pool('p', { registered_at: 'second' }), 2)
  expect(catalog.view('p', 0)?.health_status).toBe('unavailable')
  expect(catalog.stats().active).toBe(0)
  catalog.judge('p', null)
  expect(catalog.stats().active).toBe(1)
})
