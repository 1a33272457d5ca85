import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, fixture } from './fixture.ts'

let bus: Fixture
let registry: AsyncDisposable
beforeAll(async () => {
  bus = await fixture()
  registry = await bus.start()
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
})

const register = (name: string, fields: object = {}): Promise<unknown> =>
  bus.ask('pool.register', { name, pool_type: 'nats', ...fields })

test('a page goes on behind the last pool, whatever came and went', async () => {
  for (const letter of 'bdfhj') await register(letter, { capabilities: ['paged'] })
  const page = async (cursor: unknown) => {
    const reply = await bus.ask('pool.list', { capability: 'paged', limit: 2, cursor })
    return {
      names: (reply['pools'] as { name: string }[]).map((pool) => pool.name).join(''),
      cursor: reply['cursor'],
    }
  }
  const first = await page(null)
  expect(first.names).toBe('bd')
  // Before the cursor, behind it, and the very pool that it stands at.
  await register('a', { capabilities: ['paged'] })
  await register('e', { capabilities: ['paged'] })
  await bus.ask('pool.deregister', { name: 'd' })
  await bus.ask('pool.deregister', { name: 'f' })
  const second = await page(first.cursor)
  expect(second.names).toBe('eh')
  const third = await page(second.cursor)
  expect(third).toEqual({ names: 'j', cursor: null })
})

test('pages of large pools stay under the size of a message, and none is missed', async () => {
  const names = Array.from({ length: 1_000 }, (_, i) => `big-${String(i).padStart(4, '0')}`)
  const metadata = { text: 'ü'.repeat(1_000) }
  await Promise.all(names.map((name) => register(name, { capabilities: ['big'], metadata })))
  const seen: string[] = []
  let pages = 0
  let cursor: unknown = null
  do {
    const reply = await bus.nc.request(
      'pool.list',
      JSON.stringify({ capability: 'big', limit: 1_000, cursor }),
    )
    expect(reply.headers?.code ?? 0).toBe(0)
    expect(reply.data.length).toBeLessThan(bus.nc.info!.max_payload)
    const page = reply.json<{ pools: { name: string }[]; cursor: string | null }>()
    seen.push(...page.pools.map((pool) => pool.name))
    cursor = page.cursor
    pages++
  } while (cursor !== null)
  expect(seen).toEqual(names)
  expect(pages).toBeGreaterThan(1)
})

test('statistics of too many capabilities for one message name the most frequent', async () => {
  // 400 pools with 64 names of 60 characters each: 1.6 MB.
  await Promise.all(
    Array.from({ length: 400 }, (_, i) =>
      register(`wide-${i}`, {
        capabilities: ['common', ...Array.from({ length: 63 }, (_, j) => `${'c'.repeat(50)}-${i}-${j}`)],
      }),
    ),
  )
  const stats = await bus.ask('pool.stats', '')
  expect(stats['capabilities']).toMatchObject({ big: 1_000, common: 400 })
  const shown = Object.keys(stats['capabilities'] as object).length
  expect(shown + (stats['capabilities_left_out'] as number)).toBe(400 * 63 + 3)
})
