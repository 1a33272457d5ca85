// Workers are moved between pools, as the real command does it. Processes that move are in services/gateway/test.
import type { Msg } from '@nats-io/transport-node'
import type { DistributedPoolSystem, ScalablePool } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { carryOut } from '../src/rebalance/carry-out.ts'
import { commandsFor, jsonOf, startOnTerminal, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
const held = new Map<string, Msg[]>()
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
})
afterAll(() => system?.[Symbol.asyncDispose]())

/** A plain subscriber that answers when the test says so. */
async function pool(name: string, workers: number, [min, max]: [number, number], more = {}): Promise<void> {
  held.set(name, [])
  system.connection.subscribe(`pool.work.${name}`, {
    queue: name,
    callback: (_, message) => void held.get(name)?.push(message),
  })
  await system.registry.registerPool({
    name,
    pool_type: 'nats',
    capabilities: [name],
    max_workers: workers,
    metadata: { scaling: { min_workers: min, max_workers: max } },
    ...more,
  })
}
const running = (name: string): number => held.get(name)?.length ?? 0
const workersOf = async (name: string): Promise<number> =>
  (await system.registry.getPoolStatus(name)).max_workers
const submit = (capability: string, count: number) =>
  Array.from({ length: count }, () =>
    system.executor.submit({ task_type: 't', payload: {}, required_capabilities: [capability] }),
  )
const waiting = (capability: string, tasks: number): Promise<unknown> =>
  until(async () => {
    const stats = await system.executor.getExecutorStats()
    const known = stats.waiting.find(({ required_capabilities: [one] }) => one === capability)
    return (known?.tasks ?? 0) === tasks
  }, `${tasks} wait for ${capability}`)
interface Plan {
  moved: number
  nothing: string | null
  applied: boolean
  pools: { pool: string; workers: number; target_workers: number; why: string }[]
}
const planOf = async (...options: string[]): Promise<Plan> => {
  const outcome = await run(['pools', 'rebalance', ...options, '--json'])
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  return jsonOf(outcome) as Plan
}

test('where nothing can be moved it says why, and that is no failure', async () => {
  expect(await run(['pools', 'rebalance'])).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^nothing is moved: no pool can be scaled now: .*\n$/),
    stderr: '',
  })
  await system.registry.registerPool({ name: 'fixed', pool_type: 'nats' })
  expect(await planOf()).toMatchObject({ pools: [], moved: 0, applied: false })
  await system.registry.deregisterPool('fixed')
  await pool('lonely', 2, [1, 4])
  const idle = await run(['pools', 'rebalance', '--yes'])
  expect(idle).toMatchObject({ code: 0, stderr: '' })
  expect(idle.stdout).toMatch(
    /^ *pool +busy +waiting +workers +then +may be +why *\n +lonely +0\/2 +0 +2 +2 +1–4 +has workers to spare, and nobody needs them\n\nnothing is moved: no task waits for a pool that can be scaled\n$/,
  )
  await system.registry.deregisterPool('lonely')
})

test('workers go from idle pools to those that have tasks waiting: shown first, and asked', async () => {
  await pool('busy', 1, [1, 5])
  await pool('idle', 4, [2, 5])
  await pool('far', 4, [1, 5], { pool_type: 'mahavishnu', endpoint: 'http://127.0.0.1:9' })
  const tasks = submit('busy', 6)
  await waiting('busy', 5)
  const shown = await run(['pools', 'rebalance', '--dry-run'])
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  expect(shown.stdout).toMatch(/\n +busy +1\/1 +5 +1 +3 +1–5 +5 wait: gets 2\n/)
  // What is at another address has nothing to do with it.
  expect(shown.stdout).toMatch(/\n +far +0\/4 +0 +4 +4 +1–5 +has workers to spare/)
  expect(shown.stdout).toMatch(/\n +idle +0\/4 +0 +4 +2 +2–5 +keeps 2: gives 2\n/)
  const markdown = await run(['pools', 'rebalance', '--dry-run', '--format', 'markdown'])
  expect(markdown.stdout).toMatch(/^\| pool +\| +busy \|.*\n\|.*\n\| busy +\| +1\/1 \| +5 \| +1 \| +3 \|/)

  const unasked = await run(['pools', 'rebalance'])
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringMatching(/nothing was changed: say --yes/) })
  const ask = (input: string) =>
    startOnTerminal(['pools', 'rebalance'], { columns: 120, env: { NATS_URL: system.url }, input }).ended
  const no = await ask('n\n')
  expect(no).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/gets 2.*Move 2 workers\? \[y\/N\] .*nothing was changed/s),
  })
  expect([await workersOf('busy'), await workersOf('idle')]).toEqual([1, 4])
  const yes = await ask('y\n')
  expect(yes).toMatchObject({ code: 0, stdout: expect.stringMatching(/2 workers moved/) })
  expect([await workersOf('busy'), await workersOf('idle')]).toEqual([3, 2])
  await until(() => running('busy') === 3, 'three run')

  await waiting('busy', 3)
  const again = await planOf('--yes')
  expect(again).toMatchObject({ moved: 0, applied: false, nothing: expect.stringMatching(/worker to spare/) })
  let ended = 0
  for (const task of tasks) void task.result().then(() => ended++)
  // Each that ends makes room for another.
  await until(() => {
    for (const message of held.get('busy')?.splice(0) ?? []) message.respond('{"status":"completed"}')
    return ended === tasks.length
  }, 'all have ended')
})

test('--yes moves at once, and --json tells the whole plan', async () => {
  // The executor tells the registry twice a second.
  const isIdle = async () => (await system.registry.getPoolStatus('busy')).current_workers === 0
  await until(isIdle, 'the registry knows that nothing runs')
  const tasks = submit('idle', 4)
  await waiting('idle', 2)
  expect(await planOf('--yes')).toMatchObject({
    moved: 2,
    applied: true,
    nothing: null,
    pools: [
      { pool: 'busy', place: 'nats', workers: 3, target_workers: 1, running: 0, slots: 3, waiting: 0 },
      { pool: 'far', place: 'mahavishnu http://127.0.0.1:9', workers: 4, target_workers: 4 },
      { pool: 'idle', workers: 2, target_workers: 4, running: 2, waiting: 2, min_workers: 2, max_workers: 5 },
    ],
  })
  await until(() => running('idle') === 4, 'all run')
  for (const message of held.get('idle') ?? []) message.respond('{"status":"completed"}')
  for (const task of tasks) expect(await task.result()).toMatchObject({ status: 'completed' })
})

test('when somebody else has scaled a pool meanwhile, what was done is put back', async () => {
  const pools = await system.registry.listScalable()
  const named = (name: string): ScalablePool => pools.find((one) => one.name === name)!
  const look = (name: string) => ({ pool: named(name) }) as Parameters<typeof carryOut>[1][number]
  const plan = (name: string, target_workers: number) =>
    ({ pool: name, workers: named(name).workers, target_workers }) as Parameters<typeof carryOut>[2][number]
  await system.registry.scalePool(named('busy'), 2)
  const carried = carryOut(system.registry, [look('busy'), look('idle')], [plan('busy', 3), plan('idle', 2)])
  await expect(carried).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringMatching(/busy/) })
  expect([await workersOf('busy'), await workersOf('idle')]).toEqual([2, 4])
})
