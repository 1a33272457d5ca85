// The strategies by example, one rule a test. That every decision is the right one is in model.test.ts.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PoolState, PoolTable, type Preferences, type Requirements } from '../../src/routing/index.ts'
import { by, needs, pool } from './oracle.ts'

const any = needs()
const tableOf = (...pools: Parameters<typeof pool>[]): PoolTable => {
  const table = new PoolTable()
  for (const [name, more] of pools) table.upsert(pool(name, more))
  return table
}

/** Chooses and takes, `times` times, and gives the names. */
function send(table: PoolTable, requirements: Requirements, preferences: Preferences, times = 1): string[] {
  const names: string[] = []
  for (let n = 0; n < times; n++) {
    const chosen = table.choose(requirements, preferences)
    if (chosen) table.acquire(chosen)
    names.push(chosen?.name ?? '-')
  }
  return names
}

const chosen = (table: PoolTable, requirements: Requirements, preferences: Preferences): string | null =>
  table.choose(requirements, preferences)?.name ?? null

describe('least loaded', () => {
  const least = by('least_loaded')

  test('the lowest share of busy workers, not the fewest busy workers', () => {
    const table = tableOf(
      ['small', { max_workers: 2, current_workers: 1 }],
      ['large', { max_workers: 10, current_workers: 4 }],
    )
    expect(chosen(table, any, least)).toBe('large')
  })

  test('equal shares: the shorter queue, then the one used least recently', () => {
    const table = tableOf(['a', { queue_size: 2 }], ['b', { queue_size: 1 }], ['c', { queue_size: 1 }])
    expect(send(table, any, least)).toEqual(['b'])
    expect(send(table, any, least)).toEqual(['c'])
    for (const name of ['b', 'c']) table.release(table.get(name) as PoolState)
    expect(chosen(table, any, least)).toBe('b')
  })

  test('a full pool gets nothing, and neither does anyone when all are full', () => {
    const table = tableOf(['a', { max_workers: 1 }], ['b', { max_workers: 2 }])
    expect(send(table, any, least, 4).sort()).toEqual(['-', 'a', 'b', 'b'])
  })
})

describe('round robin', () => {
  const round = by('round_robin')

  test('each gets the same number, to within one, whatever their load', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(60), (pools, tasks) => {
        const table = new PoolTable()
        for (let i = 0; i < pools; i++)
          table.upsert(pool(`p${i}`, { max_workers: 100, current_workers: i % 5 }))
        const counts = new Map<string, number>()
        for (const name of send(table, any, round, tasks)) counts.set(name, (counts.get(name) ?? 0) + 1)
        for (let i = 0; i < pools; i++) {
          const count = counts.get(`p${i}`) ?? 0
          expect([Math.floor(tasks / pools), Math.ceil(tasks / pools)]).toContain(count)
        }
      }),
    )
  })

  test('those that stay keep their turns when one goes and one comes', () => {
    const table = tableOf(['a'], ['b'], ['c'], ['d'])
    expect(send(table, any, round, 2)).toEqual(['a', 'b'])
    table.remove('a')
    table.upsert(pool('e'))
    const next = send(table, any, round, 4)
    expect(next.slice(0, 2)).toEqual(['c', 'd'])
    expect(next.slice(2).sort()).toEqual(['b', 'e'])
  })

  test('only among those that fit', () => {
    const table = tableOf(['a', { capabilities: ['x'] }], ['b'], ['c', { capabilities: ['x'] }])
    expect(send(table, needs('x'), round, 4)).toEqual(['a', 'c', 'a', 'c'])
  })
})

describe('capability based', () => {
  const matching = (...preferred: string[]): Preferences => by('capability_based', { preferred })

  test('the pool that has most of what is required and preferred', () => {
    const table = tableOf(
      ['one', { capabilities: ['python', 'gpu'] }],
      ['two', { capabilities: ['python', 'gpu', 'cuda'], current_workers: 9 }],
    )
    expect(chosen(table, needs('python'), matching('gpu', 'cuda'))).toBe('two')
  })

  test('equal matches: the less loaded', () => {
    const table = tableOf(
      ['one', { capabilities: ['python', 'gpu'], current_workers: 5 }],
      ['two', { capabilities: ['python', 'cuda'] }],
    )
    expect(chosen(table, needs('python'), matching('gpu', 'cuda'))).toBe('two')
  })

  test('what nobody asked for does not count', () => {
    const table = tableOf(
      ['many', { capabilities: ['python', 'a', 'b', 'c'], current_workers: 1 }],
      ['few', { capabilities: ['python'] }],
    )
    expect(chosen(table, needs('python'), matching())).toBe('few')
  })
})

describe('region aware', () => {
  const east = by('region_aware', { region: 'east' })

  test('the same region though others are less loaded; else the least loaded', () => {
    const table = tableOf(['near', { region: 'east', current_workers: 9 }], ['far', { region: 'west' }])
    expect(send(table, any, east, 2)).toEqual(['near', 'far'])
  })

  test('a degraded pool near by does not go before a healthy one far away', () => {
    const table = tableOf(
      ['near', { region: 'east', health_status: 'degraded' }],
      ['far', { region: 'west' }],
    )
    expect(chosen(table, any, east)).toBe('far')
  })
})

describe('affinity', () => {
  const key = by('affinity', { affinityKey: 'orders' })

  test('the pool that last completed the key; others have their own', () => {
    const table = tableOf(['a'], ['b', { current_workers: 9 }])
    table.completed('orders', 'b')
    expect(chosen(table, any, key)).toBe('b')
    expect(chosen(table, any, by('affinity', { affinityKey: 'other' }))).toBe('a')
  })

  test.each([
    ['a failure there', (table: PoolTable) => table.failed('orders', 'b')],
    ['its loss', (table: PoolTable) => table.setHealth('b', 'unavailable')],
    ['its removal', (table: PoolTable) => void table.remove('b')],
  ])('%s clears it', (_, happen) => {
    const table = tableOf(['a', { current_workers: 5 }], ['b'])
    table.completed('orders', 'b')
    happen(table)
    table.upsert(pool('b', { current_workers: 9 }))
    expect(chosen(table, any, key)).toBe('a')
  })

  test('a full one is passed over, and remembered', () => {
    const table = tableOf(['a'], ['b', { max_workers: 1 }])
    table.completed('orders', 'b')
    expect(send(table, any, key, 2)).toEqual(['b', 'a'])
    table.release(table.get('b') as PoolState)
    expect(chosen(table, any, key)).toBe('b')
  })
})

describe.each(['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity'] as const)(
  'whatever is preferred (%s)',
  (strategy) => {
    const preferences = by(strategy, { region: 'east', preferred: ['gpu'] })

    test('capabilities and the named pool are required', () => {
      const table = tableOf(['a', { region: 'east', capabilities: ['gpu'] }], ['b', { capabilities: ['x'] }])
      table.completed('key', 'a')
      expect(chosen(table, needs('x'), preferences)).toBe('b')
      expect(chosen(table, { capabilities: [], pool: 'b' }, preferences)).toBe('b')
      expect(chosen(table, { capabilities: ['x'], pool: 'a' }, preferences)).toBe(null)
    })

    test('healthy goes before degraded, and unavailable gets nothing', () => {
      const table = tableOf(
        ['ill', { health_status: 'degraded', region: 'east', capabilities: ['gpu'] }],
        ['gone', { health_status: 'unavailable', region: 'east', capabilities: ['gpu'] }],
        ['well', { max_workers: 1 }],
      )
      table.completed('key', 'ill')
      expect(send(table, any, preferences, 2)).toEqual(['well', 'ill'])
      table.remove('ill')
      expect(chosen(table, any, preferences)).toBe(null)
    })
  },
)
