// Kubernetes pools that agents make, with the official client, against an API server whose Jobs are processes.
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { FakeKubernetes, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let folder: string
let types: string
let cluster: FakeKubernetes
let served: Served
let client: Client

/** Says what it was asked; with the prompt `wait <file>` only when that file is there. */
const COMMAND = `const { payload } = JSON.parse(process.env.POOLMESH_TASK)
const fs = require('fs')
const timer = setInterval(() => {
  const file = /^wait (.*)/.exec(payload.prompt)?.[1]
  if (file && !fs.existsSync(file)) return
  clearInterval(timer)
  fs.writeFileSync(process.env.POOLMESH_RESULT_FILE, JSON.stringify({ said: payload.prompt }))
}, 10)`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-mcp-kube-'))
  cluster = await FakeKubernetes.start()
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, cluster.kubeconfig)
  types = join(folder, 'types.json')
  const kubernetes = {
    namespace: 'work',
    image: 'prompts:1',
    command: [process.execPath, '-e', COMMAND],
    grace_seconds: 1,
  }
  const prompts = { endpoint: cluster.endpoint, kubernetes, capabilities: ['prompts'], region: 'eu' }
  const elsewhere = { ...prompts, endpoint: 'https://127.0.0.1:9' }
  writeFileSync(types, JSON.stringify({ prompts, elsewhere, local: { command: process.execPath } }))
  served = await startServed({ POOLMESH_SPAWN_FILE: types, POOLMESH_KUBECONFIG: kubeconfig })
  // With the first such pool the library of Kubernetes is loaded, and everything here is one process that it holds up.
  const first = {
    name: 'first',
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    metadata: { kubernetes },
  }
  const patient = { timeout: 60_000 }
  await served.system.nc.request('pool.register', JSON.stringify(first), patient)
  await served.system.nc.request('pool.deregister', JSON.stringify({ name: 'first' }), patient)
  client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${served.url}/mcp`)) as never)
}, 60_000)
afterAll(async () => {
  await client?.close()
  await served?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

// biome-ignore lint/suspicious/noExplicitAny: what a test says of it is what it is held to
const callOf = async (by: Client, name: string, args: object): Promise<any> =>
  await by.callTool({ name, arguments: { ...args } }, undefined, { timeout: 60_000 })
const call = (name: string, args = {}) => callOf(client, name, args)
const told = async (name: string, args = {}) => {
  const { isError, structuredContent, content } = await call(name, args)
  expect(isError, content[0].text).toBeFalsy()
  return structuredContent
}
const refusal = async (name: string, args = {}): Promise<string> => {
  const { isError, content } = await call(name, args)
  expect(isError, content[0].text).toBe(true)
  return content[0].text
}
const registered = async (name: string) => (await served.ask('GET', `/api/v1/pools/${name}`)).status === 200
const runningJobs = () => cluster.pods.filter(({ status }) => status.phase === 'Running').length

test('a pool is made of the configured type, scaled within its limits, and closed with its Jobs', {
  timeout: 90_000,
}, async () => {
  const spawned = { pool_id: 'writers', pool_type: 'prompts', min_workers: 1, max_workers: 3, processes: [] }
  const request = { pool_type: 'prompts', name: 'writers', min_workers: 1, max_workers: 3 }
  expect(await told('pool_spawn', request)).toEqual({ ...spawned, workers: 1 })
  const { pools, spawned: groups } = await told('pool_monitor', { pool_ids: ['writers'] })
  expect(groups).toEqual([{ ...spawned, workers: 1 }])
  expect(pools).toMatchObject([
    {
      name: 'writers',
      pool_type: 'kubernetes',
      endpoint: cluster.endpoint,
      capabilities: ['prompts'],
      region: 'eu',
      max_workers: 1,
    },
  ])
  const ran = await told('pool_execute', { pool_id: 'writers', prompt: 'hello' })
  expect(ran).toMatchObject({ status: 'completed', pool_name: 'writers', output: { said: 'hello' } })

  // One Job at a time, then two; never more.
  const gate = join(folder, 'gate')
  const runs = [0, 1, 2].map(() => told('pool_execute', { pool_id: 'writers', prompt: `wait ${gate}` }))
  await until(() => runningJobs() === 1, 'one Job runs')
  expect(await told('pool_scale', { pool_id: 'writers', target_workers: 2 })).toEqual({
    ...spawned,
    workers: 2,
  })
  await until(() => runningJobs() === 2, 'two Jobs run')
  expect(await refusal('pool_scale', { pool_id: 'writers', target_workers: 4 })).toMatch(
    /^INVALID_INPUT: target_workers must be 1 to 3 for the pool writers/,
  )

  // It drains: what waits for it ends there, nothing new comes, and only then is it gone with all its Jobs.
  expect(cluster.jobs.length).toBeGreaterThan(0)
  await told('pool_scale', { pool_id: 'writers', target_workers: 3 })
  await until(() => runningJobs() === 3, 'three Jobs run')
  const closing = { pool_id: 'writers', closed: true, draining: true, processes_ended: 0 }
  expect(await told('pool_close', { pool_id: 'writers' })).toEqual(closing)
  expect(await registered('writers')).toBe(true)
  expect(await refusal('pool_spawn', request)).toMatch(/^CONFLICT: .*which drains/)
  expect(await refusal('pool_scale', { pool_id: 'writers', target_workers: 1 })).toMatch(/^CONFLICT: /)
  expect(existsSync(gate)).toBe(false)
  writeFileSync(gate, '')
  for (const run of await Promise.all(runs)) expect(run.status).toBe('completed')
  await until(async () => !(await registered('writers')), 'it is taken out', 30_000)
  await until(() => cluster.jobs.length === 0 && cluster.pods.length === 0, 'its Jobs are gone', 30_000)
})

test('Jobs of other pools stay, and those that somebody registered himself keep theirs', {
  timeout: 60_000,
}, async () => {
  await told('pool_spawn', { pool_type: 'prompts', name: 'mine' })
  const { metadata } = (await served.ask('GET', '/api/v1/pools/mine')).body
  const { scaling: _, ...own } = metadata
  const byHand = { name: 'by-hand', pool_type: 'kubernetes', endpoint: cluster.endpoint, metadata: own }
  expect((await served.ask('POST', '/api/v1/pools', byHand)).status).toBe(201)
  const gone = (name: string) => until(async () => !(await registered(name)), `${name} is gone`, 30_000)
  for (const pool_id of ['mine', 'by-hand'])
    expect(await told('pool_execute', { pool_id, prompt: 'x' })).toMatchObject({ status: 'completed' })
  expect(cluster.jobs).toHaveLength(2)
  await told('pool_close', { pool_id: 'by-hand' })
  await gone('by-hand')
  await told('pool_close', { pool_id: 'mine' })
  await gone('mine')
  await until(() => cluster.jobs.length === 1, 'the spawned pool is gone with its Job', 30_000)
  expect(cluster.jobs[0]?.metadata.labels?.['poolmesh/pool']).toBe('by-hand')
})

test('only what is configured can be made, and what cannot run is not left behind', async () => {
  expect(await refusal('pool_spawn', { pool_type: 'prompts:2', name: 'x' })).toMatch(/pool_type/)
  expect(await refusal('pool_spawn', { pool_type: 'kubernetes', name: 'x' })).toMatch(
    /^NOT_FOUND: there is no pool type kubernetes; configured are: prompts, elsewhere, local/,
  )
  // Fields of a caller's own change nothing.
  const more = { kubernetes: { image: 'evil:1' }, endpoint: 'https://127.0.0.1:9', command: 'evil' }
  await told('pool_spawn', { pool_type: 'prompts', name: 'plain', ...more })
  const { body } = await served.ask('GET', '/api/v1/pools/plain')
  expect(body.metadata.kubernetes).toMatchObject({ image: 'prompts:1', namespace: 'work' })
  expect(body.endpoint).toBe(cluster.endpoint)
  for (const pool_type of ['prompts', 'local'])
    expect(await refusal('pool_spawn', { pool_type, name: 'plain' })).toMatch(/^CONFLICT: /)
  expect(await refusal('pool_spawn', { pool_type: 'elsewhere', name: 'nowhere' })).toMatch(
    /^UNAVAILABLE: no task can be sent to a pool of type elsewhere: no Kubernetes credentials/,
  )
  expect(await registered('nowhere')).toBe(false)
  expect(
    await refusal('pool_spawn', { pool_type: 'prompts', name: 'x', min_workers: 3, max_workers: 2 }),
  ).toMatch(/^INVALID_INPUT: min_workers is more than max_workers/)
})

test('it outlives who made it, and any other server of the tools scales and closes it', {
  timeout: 60_000,
}, async () => {
  const cli = join(import.meta.dirname, '../../../packages/cli/src/main.ts')
  const other = new Client({ name: 'test', version: '1' })
  await other.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [cli, 'mcp', '--server', served.system.url],
      env: { PATH: process.env['PATH'] ?? '', POOLMESH_SPAWN_FILE: types },
    }),
  )
  const made = await callOf(other, 'pool_spawn', { pool_type: 'prompts', name: 'kept', max_workers: 2 })
  expect(made.structuredContent).toMatchObject({ workers: 1, max_workers: 2 })
  await other.close()
  expect(await told('pool_scale', { pool_id: 'kept', target_workers: 2 })).toMatchObject({ workers: 2 })
  const { closed } = await told('pool_close_all')
  expect(closed.map(({ pool_id }: { pool_id: string }) => pool_id)).toEqual(['kept', 'plain'])
  await until(async () => !(await registered('kept')), 'it is gone', 30_000)
})
