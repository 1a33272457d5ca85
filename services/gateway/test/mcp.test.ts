// The tools for agents, with the official client, against a whole system and real processes.
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let folder: string
let served: Served
let client: Client

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-mcp-'))
  const file = join(folder, 'types.json')
  const worker = join(import.meta.dirname, '../../../packages/mcp/test/worker.ts')
  writeFileSync(file, JSON.stringify({ echo: { command: process.execPath, args: [worker] } }))
  served = await startServed({ POOLMESH_SPAWN_FILE: file })
  client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${served.url}/mcp`)) as never)
}, 60_000)
afterAll(async () => {
  await client?.close()
  await served?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

// biome-ignore lint/suspicious/noExplicitAny: what a test says of it is what it is held to
const call = (name: string, args = {}, options = {}): Promise<any> =>
  client.callTool({ name, arguments: args }, undefined, { timeout: 60_000, ...options })
const text = (answer: { content: { text: string }[] }): string => answer.content[0]?.text ?? ''
const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const pidsOf = async (pool: string): Promise<number[]> =>
  (await call('pool_monitor', { pool_ids: [pool] })).structuredContent.spawned[0].processes.map(
    ({ pid }: { pid: number }) => pid,
  )
/** Until its processes have registered, calls are refused as UNAVAILABLE. */
const ready = (pool: string): Promise<void> =>
  vi.waitFor(
    async () => expect((await call('pool_execute', { pool_id: pool, prompt: 'up' })).isError).toBeFalsy(),
    { timeout: 30_000, interval: 200 },
  )

test('tells its tools, and which of them are destructive', async () => {
  const { tools } = await client.listTools()
  expect(tools).toHaveLength(13)
  const hint = (name: string) => tools.find((tool) => tool.name === name)?.annotations
  expect(hint('pool_close')).toMatchObject({ destructiveHint: true })
  expect(hint('pool_list')).toMatchObject({ readOnlyHint: true, destructiveHint: false })
})

test('starts, uses, scales, restarts and closes real processes', { timeout: 120_000 }, async () => {
  await call('pool_spawn', { pool_type: 'echo', name: 'team', min_workers: 1, max_workers: 3 })
  await ready('team')
  const seen: string[] = []
  const onprogress = ({ message }: { message?: string }) => void seen.push(message ?? '')
  const ran = await call('pool_execute', { pool_id: 'team', prompt: 'hello', timeout: 60 }, { onprogress })
  expect(ran.structuredContent.output.said).toBe('hello')
  expect(JSON.parse(text(ran))).toEqual(ran.structuredContent)
  expect(seen.join()).toContain('completed')
  const routed = await call('pool_route_execute', { prompt: 'route', pool_selector: 'least_loaded' })
  expect(routed.structuredContent).toMatchObject({ status: 'completed', output: { said: 'route' } })

  await call('pool_scale', { pool_id: 'team', target_workers: 3 })
  const three = await pidsOf('team')
  expect(three.filter(lives)).toHaveLength(3)
  expect(text(await call('pool_scale', { pool_id: 'team', target_workers: 4 }))).toContain('INVALID_INPUT')
  await call('pool_scale', { pool_id: 'team', target_workers: 1 })
  await vi.waitFor(() => expect(three.filter(lives)).toHaveLength(1), { timeout: 30_000 })

  const [first = 0] = await pidsOf('team')
  process.kill(first, 'SIGKILL')
  await vi.waitFor(
    async () => {
      const [now = first] = await pidsOf('team')
      expect(now !== first && now !== null && lives(now)).toBe(true)
    },
    { timeout: 30_000, interval: 200 },
  )
  const left = await pidsOf('team')
  expect((await call('pool_close', { pool_id: 'team' })).structuredContent.closed).toBe(true)
  expect(left.filter(lives)).toEqual([])
})

test('a call that is cancelled cancels its task', { timeout: 60_000 }, async () => {
  await call('pool_spawn', { pool_type: 'echo', name: 'slow' })
  await ready('slow')
  const abort = new AbortController()
  let taskId = ''
  const onprogress = ({ message = '' }: { message?: string }) => {
    taskId = /task (\S+) is/.exec(message)?.[1] ?? taskId
    if (message.includes('running')) abort.abort()
  }
  const hung = call('pool_execute', { pool_id: 'slow', prompt: 'hang' }, { onprogress, signal: abort.signal })
  await expect(hung).rejects.toThrow()
  await vi.waitFor(
    async () =>
      expect((await call('task_status', { task_id: taskId })).structuredContent.status).toBe('cancelled'),
    { timeout: 30_000, interval: 200 },
  )
  await call('pool_close_all')
})

test('refusals are errors of the tool, with a code and what to do', async () => {
  const unknown = await call('pool_execute', { pool_id: 'nowhere', prompt: 'x' })
  expect(unknown.isError).toBe(true)
  expect(text(unknown)).toMatch(/^NOT_FOUND: .*pool_list/s)
  expect(text(await call('pool_spawn', { pool_type: 'rm', name: 'x' }))).toContain('configured are: echo')
  expect((await call('pool_execute', { pool_id: 'a b', prompt: '' })).isError).toBe(true)
})
