import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FanOutPools } from '../../src/fanout/index.ts'

const poolOf = (name: string, capabilities: string[], fields: object = {}) => ({
  name,
  capabilities,
  health_status: 'healthy' as const,
  registered_at: 'first',
  ...fields,
})

test('"all" is every active pool with the capabilities, sorted, whatever came before', () => {
  const capability = fc.constantFrom('a', 'b', 'c')
  const step = fc.record({
    name: fc.constantFrom('p', 'q', 'r', 's'),
    capabilities: fc.uniqueArray(capability),
    health_status: fc.constantFrom('healthy' as const, 'degraded' as const, 'unavailable' as const),
    draining: fc.boolean(),
    verdict: fc.constantFrom('healthy' as const, 'unavailable' as const, null),
    gone: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step), fc.uniqueArray(capability), (steps, required) => {
      const pools = new FanOutPools()
      for (const { verdict, gone, ...pool } of steps) {
        pools.upsert({ ...pool, registered_at: 'first' })
        pools.verdict(pool.name, verdict && { status: verdict, registered_at: 'first' })
        if (gone) pools.remove(pool.name)
      }
      const last = new Map(steps.map((s) => [s.name, s]))
      const expected = [...last.values()]
        .filter((s) => !s.gone && !s.draining && (s.verdict ?? s.health_status) !== 'unavailable')
        .filter((s) => required.every((r) => s.capabilities.includes(r)))
        .map((s) => s.name)
        .sort()
      expect(pools.fitting(required)).toEqual(expected)
      expect(pools.reasons(required)['fits'] ?? 0).toBe(expected.length)
    }),
  )
})

test('a verdict on an earlier registration does not count', () => {
  const pools = new FanOutPools()
  pools.upsert(poolOf('p', []))
  pools.verdict('p', { status: 'unavailable', registered_at: 'first' })
  expect(pools.fitting([])).toEqual([])
  pools.upsert(poolOf('p', [], { registered_at: 'second' }))
  expect(pools.fitting([])).toEqual(['p'])
})
