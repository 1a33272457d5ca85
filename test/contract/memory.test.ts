// Results of real tasks come to Session-Buddy and Akosha, though the NATS server is killed meanwhile, and are found.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { McpTestServer, type RunningProcess, run, until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json } from './harness.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor', 'memory']
const TASKS = 300
let dataDir: string
let port: number
let server: NatsServer
let buddy: McpTestServer
let akosha: McpTestServer
let services: RunningProcess[]

const startServer = async (): Promise<void> => {
  server = await startNatsServer({ port, dataDir, sync: 'always' })
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-memory-'))
  port = await freePort()
  await startServer()
  buddy = await McpTestServer.start({ kind: 'session_buddy' })
  akosha = await McpTestServer.start({ kind: 'akosha' })
  const env = {
    NATS_URL: server.url,
    MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'true',
    MAHAVISHNU_POOLS__MEMORY_SYNC_INTERVAL: '10',
    MAHAVISHNU_POOLS__SESSION_BUDDY_URL: buddy.endpoint,
    MAHAVISHNU_POOLS__AKOSHA_URL: akosha.endpoint,
  }
  services = SERVICES.map((name) => run('service.ts', [name], env))
  await Promise.all(services.map((service) => service.line(/"msg":"ready"/)))
})
afterAll(async () => {
  await Promise.all((services ?? []).map((service) => service[Symbol.asyncDispose]()))
  await buddy?.[Symbol.asyncDispose]()
  await akosha?.[Symbol.asyncDispose]()
  await server?.stop('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

const conversations = (): string[] =>
  buddy.calls
    .filter(({ tool }) => tool === 'store_conversation')
    .map(({ args }) => String((args['metadata'] as Json)['task_id']))
const memories = (): Set<string> =>
  new Set(
    akosha.calls
      .filter(({ tool }) => tool === 'batch_store_memories')
      .flatMap(({ args }) => (args['memories'] as Json[]).map((memory) => String(memory['memory_id']))),
  )

test('results come to both through a kill of the NATS server, and are found in all places', async () => {
  await using system = await createDistributedPoolSystem({ servers: server.url })
  const pool = definePool({
    name: 'tides',
    capabilities: ['tide'],
    maxWorkers: 50,
    handler: ({ payload }) => ({ harbour: `harbour${payload['n']}` }),
  })
  await using _pool = await pool.start({ nc: system.connection })
  const handles = Array.from({ length: TASKS }, (_, n) =>
    system.executor.submit({ task_type: 'tide', payload: { n }, required_capabilities: ['tide'] }),
  )
  const ids = (await Promise.all(handles.map((handle) => handle.result()))).map(({ task_id }) => task_id)
  await until(() => conversations().length > 20, 'the collecting to be under way')
  await server.stop('SIGKILL')
  await startServer()
  await until(
    () => new Set(conversations()).size === TASKS && memories().size === TASKS,
    'all results to come',
    90_000,
  )
  expect(new Set(conversations())).toEqual(new Set(ids))
  expect(memories()).toEqual(new Set(ids))
  // What was in doubt was looked for and found.
  expect(conversations()).toHaveLength(TASKS)
  const { hits, failed } = await until(async () => {
    const reply = await system.searchMemory('harbour7', 1).catch(() => null)
    return reply?.hits[0] && reply
  })
  expect(failed).toEqual([])
  expect(hits).toMatchObject([
    { task_id: ids[7], source: 'recent', text: expect.stringContaining('harbour: harbour7') },
  ])
  expect(hits[0]?.also_in).toContain('session_buddy')
  const memory = services[SERVICES.indexOf('memory')]
  memory?.child.kill('SIGTERM')
  expect(await memory?.ended).toEqual({ code: 0, signal: null })
}, 150_000)
