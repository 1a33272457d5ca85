// `poolmesh pools rebalance` with real processes: those of two pools that an agent spawned.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { processesWith, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

const PACKAGES = join(import.meta.dirname, '../../../packages')
/** No other test's processes are named so. */
const [LEFT, RIGHT] = ['left', 'right'].map((name) => `${name}${process.pid}`) as [string, string]

let folder: string
let served: Served
let client: Client
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-rebalance-'))
  const types = join(folder, 'types.json')
  const type = (capability: string) => ({
    command: process.execPath,
    args: [join(PACKAGES, 'mcp/test/worker.ts'), capability],
  })
  writeFileSync(types, JSON.stringify({ left: type('left'), right: type('right') }))
  served = await startServed({ POOLMESH_SPAWN_FILE: types })
  client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${served.url}/mcp`)) as never)
}, 60_000)
afterAll(async () => {
  await client?.close()
  await served?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

// biome-ignore lint/suspicious/noExplicitAny: what a test says of it is what it is held to
const call = async (name: string, args: object): Promise<any> => {
  const answer = await client.callTool({ name, arguments: { ...args } }, undefined, { timeout: 60_000 })
  expect(answer.isError, JSON.stringify(answer.content)).toBeFalsy()
  return answer.structuredContent
}
const processes = (name: string): number[] => processesWith(`POOLMESH_POOL_NAME=${name}-`)
const registered = async (name: string): Promise<string[]> =>
  (await served.ask('GET', `/api/v1/pools?q=${name}-`)).body.items.map((pool: { name: string }) => pool.name)
/** Processes that have registered, and no others. */
const settled = (name: string, count: number): Promise<unknown> =>
  until(
    async () => processes(name).length === count && (await registered(name)).length === count,
    `${count} processes of ${name}`,
    30_000,
  )
const submit = async (where: object, payload: object): Promise<string> =>
  (await served.ask('POST', '/api/v1/tasks', { task_type: 'wait', payload, ...where })).body.task_id
const taskOf = async (id: string) => (await served.ask('GET', `/api/v1/tasks/${id}`)).body
const runningOf = async (ids: string[]): Promise<number> =>
  (await Promise.all(ids.map(taskOf))).filter(({ status }) => status === 'running').length

// biome-ignore lint/suspicious/noExplicitAny: as above
async function rebalance(...options: string[]): Promise<any> {
  const args = [join(PACKAGES, 'cli/src/main.ts'), 'pools', 'rebalance', '--json', ...options]
  const env = { PATH: process.env['PATH'] ?? '', NATS_URL: served.system.url }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, printed).toBe(0)
  return JSON.parse(printed)
}

test('processes of an idle pool make room for those of a busy one, and no task is lost', {
  timeout: 120_000,
}, async () => {
  const limits = { min_workers: 1, max_workers: 4 }
  await call('pool_spawn', { pool_type: 'left', name: LEFT, ...limits })
  await call('pool_spawn', { pool_type: 'right', name: RIGHT, ...limits })
  await call('pool_scale', { pool_id: RIGHT, target_workers: 3 })
  await settled(LEFT, 1)
  await settled(RIGHT, 3)

  // Of the idle pool's three processes the last two run something: one would have room for both, but neither is taken.
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  const kept = [await submit({ pool: `${RIGHT}-2` }, { wait: second })]
  kept.push(await submit({ pool: `${RIGHT}-3` }, { wait: second }))
  const left = { required_capabilities: ['left'] }
  const tasks = await Promise.all(Array.from({ length: 6 }, () => submit(left, { wait: first })))
  await until(async () => (await runningOf([...kept, ...tasks])) === 4, 'two run in each')

  const plan = {
    moved: 1,
    applied: false,
    pools: [
      { pool: LEFT, pool_type: 'left', running: 2, slots: 2, waiting: 4, workers: 1, target_workers: 2 },
      {
        pool: RIGHT,
        running: 2,
        slots: 6,
        waiting: 0,
        workers: 3,
        target_workers: 2,
        why: 'keeps 2: gives 1',
      },
    ],
  }
  expect(await rebalance('--dry-run')).toMatchObject(plan)
  expect([processes(LEFT).length, processes(RIGHT).length]).toEqual([1, 3])

  expect(await rebalance('--yes')).toMatchObject({ ...plan, applied: true })
  await settled(RIGHT, 2)
  expect(await registered(RIGHT)).toEqual([`${RIGHT}-2`, `${RIGHT}-3`])
  await settled(LEFT, 2)
  await until(async () => (await runningOf(tasks)) === 4, 'four of them run', 30_000)
  expect(await rebalance('--yes')).toMatchObject({ moved: 0, applied: false })

  writeFileSync(second, '')
  await until(async () => (await runningOf(kept)) === 0, 'the others end', 30_000)
  expect(await rebalance('--yes')).toMatchObject({ moved: 1, applied: true })
  await settled(RIGHT, 1)
  await settled(LEFT, 3)
  await until(async () => (await runningOf(tasks)) === 6, 'all of them run', 30_000)
  writeFileSync(first, '')
  await until(async () => (await runningOf(tasks)) === 0, 'they end', 30_000)
  for (const id of [...kept, ...tasks])
    expect(await taskOf(id)).toMatchObject({ status: 'completed', attempt: 1 })
  await call('pool_close_all', {})
  expect([...processes(LEFT), ...processes(RIGHT)]).toEqual([])
})

test('another server of the tools scales them too, and each only within its limits', {
  timeout: 60_000,
}, async () => {
  await call('pool_spawn', { pool_type: 'left', name: LEFT, max_workers: 2 })
  const other = new Client({ name: 'test', version: '1' })
  await other.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [join(PACKAGES, 'cli/src/main.ts'), 'mcp', '--server', served.system.url],
      env: { PATH: process.env['PATH'] ?? '' },
    }),
  )
  const scale = (pool_id: string, target_workers: number) =>
    other.callTool({ name: 'pool_scale', arguments: { pool_id, target_workers } })
  expect((await scale(LEFT, 2)).structuredContent).toMatchObject({ pool_id: LEFT, workers: 2 })
  await settled(LEFT, 2)
  const text = async (pool: string, target: number) => JSON.stringify((await scale(pool, target)).content)
  expect(await text(LEFT, 3)).toMatch(/INVALID_INPUT: target_workers must be 1 to 2/)
  expect(await text(`${LEFT}-1`, 2)).toMatch(/INVALID_INPUT: the pool left\d+-1 cannot be scaled/)
  expect(await text('nowhere', 2)).toMatch(/NOT_FOUND: there is no pool nowhere/)
  await other.close()
  await call('pool_close', { pool_id: LEFT })
})
