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
  served = await startServed({
    POOLMESH_SPAWN_FILE: file,
    MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'true',
  })
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

/** What an agent has to send; all else may be left out, or null. */
const REQUIRED: Record<string, string[]> = {
  pool_spawn: ['pool_type', 'name'],
  pool_execute: ['pool_id', 'prompt'],
  pool_route_execute: ['prompt'],
  pool_scale: ['pool_id', 'target_workers'],
  pool_close: ['pool_id'],
  pool_search_memory: ['query'],
  task_status: ['task_id'],
  task_cancel: ['task_id'],
  task_explain: ['task_id'],
}
const WRITES = new Map([
  ['pool_spawn', { destructiveHint: false, idempotentHint: false, openWorldHint: false }],
  ['pool_execute', { destructiveHint: true, idempotentHint: false, openWorldHint: true }],
  ['pool_route_execute', { destructiveHint: true, idempotentHint: false, openWorldHint: true }],
  ['pool_scale', { destructiveHint: true, idempotentHint: true, openWorldHint: false }],
  ['pool_close', { destructiveHint: true, idempotentHint: true, openWorldHint: false }],
  ['pool_close_all', { destructiveHint: true, idempotentHint: true, openWorldHint: false }],
  ['task_cancel', { destructiveHint: true, idempotentHint: true, openWorldHint: false }],
])
const READS = [
  'pool_list',
  'pool_monitor',
  'pool_health',
  'pool_search_memory',
  'task_status',
  'task_explain',
]

test('tells its tools, what each answers, and which of them are destructive', async () => {
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name).toSorted()).toEqual([...WRITES.keys(), ...READS].toSorted())
  for (const { name, annotations, outputSchema, inputSchema } of tools) {
    const wanted = WRITES.get(name) ?? { destructiveHint: false, idempotentHint: true, openWorldHint: false }
    expect(annotations, name).toEqual({ readOnlyHint: READS.includes(name), ...wanted })
    expect(Object.keys(outputSchema?.properties ?? {}), name).not.toEqual([])
    expect(inputSchema.required ?? [], name).toEqual(REQUIRED[name] ?? [])
  }
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

test('every tool answers the shapes that agents send, null for what they leave open', {
  timeout: 90_000,
}, async () => {
  await call('pool_spawn', { pool_type: 'echo', name: 'shapes', min_workers: 1, max_workers: null })
  await ready('shapes')
  const structured = async (name: string, args = {}) => {
    const answer = await call(name, args)
    expect(text(answer), name).not.toMatch(/^[A-Z_]+: /)
    return answer.structuredContent
  }
  const ran = await structured('pool_route_execute', {
    prompt: 'a rare zebrafish',
    pool_selector: 'random',
    timeout: null,
  })
  expect(ran).toMatchObject({ status: 'completed', pool_name: 'shapes-1' })
  const { task_id } = ran
  expect(await structured('pool_list', { limit: null })).toMatchObject({
    pools: [{ name: 'shapes-1' }],
    spawned: [{ pool_id: 'shapes', max_workers: 10 }],
  })
  expect(await structured('pool_monitor', { pool_ids: null })).toMatchObject({
    pools: [{ name: 'shapes-1', max_workers: 2 }],
    spawned: [{ processes: [{ pool: 'shapes-1', state: 'running', restarts: 0 }] }],
  })
  for (const pool_id of ['shapes', 'shapes-1', null])
    expect((await structured('pool_health', { pool_id })).pools).toMatchObject({
      'shapes-1': { status: 'healthy', error: null },
    })
  expect(text(await call('pool_health', { pool_id: 'nowhere' }))).toMatch(/^NOT_FOUND: /)
  await vi.waitFor(
    async () => {
      const { hits } = await structured('pool_search_memory', { query: 'zebrafish', limit: 5 })
      expect(hits).toMatchObject([{ task_id, source: 'recent' }])
    },
    { timeout: 30_000, interval: 200 },
  )
  expect(await structured('task_status', { task_id })).toMatchObject({
    status: 'completed',
    result: { output: { said: 'a rare zebrafish' } },
  })
  expect(await structured('task_explain', { task_id })).toMatchObject({ status: 'completed' })
  expect(await structured('task_cancel', { task_id, reason: null })).toEqual({ task_id, cancelled: false })
  expect(await structured('pool_close_all')).toMatchObject({ closed: [{ pool_id: 'shapes', closed: true }] })
})

test('refusals are errors of the tool, with a code and what to do', async () => {
  const unknown = await call('pool_execute', { pool_id: 'nowhere', prompt: 'x' })
  expect(unknown.isError).toBe(true)
  expect(text(unknown)).toMatch(/^NOT_FOUND: .*pool_list/s)
  expect(unknown._meta.error).toMatchObject({ code: 'NOT_FOUND' })
  expect(text(await call('pool_spawn', { pool_type: 'rm', name: 'x' }))).toContain('configured are: echo')
  expect((await call('pool_execute', { pool_id: 'a b', prompt: '' })).isError).toBe(true)
})
