import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
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

const say = (subject: string, message: object): void => bus.nc.publish(subject, JSON.stringify(message))
const isGone = async (name: string): Promise<boolean> =>
  (await bus.ask('pool.get', { name })).error?.code === 'NOT_FOUND'
/** Executors announce themselves every second; here more often, to be quick. */
function executor(name: string): Disposable {
  const timer = setInterval(() => say('poolmesh.executors', { executor: name }), 200)
  say('poolmesh.executors', { executor: name })
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

let name = ''
let count = 0
let registeredAt: unknown
beforeEach(async () => {
  name = `drain-${count++}`
  registeredAt = (await bus.ask('pool.register', { name, pool_type: 'nats', capabilities: [name] }))[
    'registered_at'
  ]
})
const drain = (): Promise<unknown> => bus.ask('pool.deregister', { name, drain: true })
const drained = (by: string, at = registeredAt): void =>
  say('poolmesh.drained', { pool: name, executor: by, registered_at: at })

test('a draining pool stays, shown as such, until every executor has said that its tasks have ended', async () => {
  using _x = executor('x')
  using _y = executor('y')
  expect(await drain()).toEqual({ name, deregistered: false, draining: true })
  expect(await drain()).toEqual({ name, deregistered: false, draining: true })
  expect(await bus.ask('pool.get', { name })).toMatchObject({ draining: true, is_available: false })
  expect(await bus.ask('pool.list', { capability: name, active_only: true })).toMatchObject({ pools: [] })
  drained('x')
  drained('y', '2001-01-01T00:00:00.000Z')
  // Asked after both were said: the second one is about another registration.
  expect(await isGone(name)).toBe(false)
  expect((await bus.events(name)).map((event) => event.reason)).toEqual(['registered'])
  drained('y')
  await until(() => isGone(name))
  expect((await bus.events(name)).map((event) => event.reason)).toEqual(['registered', 'drained'])
})

test('an executor that died is not waited for', async () => {
  using _x = executor('x')
  say('poolmesh.executors', { executor: 'dead' })
  await drain()
  drained('x')
  await until(() => isGone(name))
})

test('with no executor at all a draining pool goes by itself', async () => {
  await drain()
  await until(() => isGone(name))
  expect((await bus.events(name)).at(-1)).toMatchObject({ subject: 'pool.deregistered', reason: 'drained' })
})

test('registered again while it drains: it stays, whatever was said of it', async () => {
  using _x = executor('x')
  await drain()
  const again = await bus.ask('pool.register', { name, pool_type: 'nats' })
  expect(again).not.toHaveProperty('draining')
  drained('x')
  await bus.nc.flush()
  expect(await bus.ask('pool.get', { name })).toMatchObject({ is_available: true })
  await drain()
  drained('x', again['registered_at'])
  await until(() => isGone(name))
})

test('taken out at once when somebody does not want to wait', async () => {
  using _x = executor('x')
  await drain()
  expect(await bus.ask('pool.deregister', { name })).toEqual({ name, deregistered: true, draining: false })
  expect(await isGone(name)).toBe(true)
})

test('two registries take a pool out once', async () => {
  await using _second = await bus.start()
  using _x = executor('x')
  await drain()
  for (let i = 0; i < 5; i++) drained('x')
  await until(() => isGone(name))
  expect((await bus.events(name)).map((event) => event.reason)).toEqual(['registered', 'drained'])
})

test('a registry that was started in between goes on with what drains', async () => {
  await using own = await fixture()
  const first = await own.start()
  await own.ask('pool.register', { name, pool_type: 'nats' })
  await own.ask('pool.deregister', { name, drain: true })
  await first[Symbol.asyncDispose]()
  await using _second = await own.start()
  expect(await own.ask('pool.get', { name })).toMatchObject({ draining: true })
  await until(async () => (await own.ask('pool.get', { name })).error?.code === 'NOT_FOUND')
})

test('nonsense from others on the internal subjects is ignored', async () => {
  using _x = executor('x')
  await drain()
  for (const text of [
    '',
    'x',
    '[]',
    '{"executor":7}',
    '{"executor":"x"}',
    '{"executor":"x","pool":7,"registered_at":1}',
  ])
    for (const subject of ['poolmesh.drained', 'poolmesh.executors', 'poolmesh.load'])
      bus.nc.publish(subject, text)
  say('poolmesh.drained', { pool: 'unknown', executor: 'x', registered_at: registeredAt })
  await bus.nc.flush()
  expect(await isGone(name)).toBe(false)
  drained('x')
  await until(() => isGone(name))
})
