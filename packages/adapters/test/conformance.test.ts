// The adapters of this package against pools of their kinds.
import type { NatsConnection } from '@nats-io/transport-node'
import { ClaimCheck, type Logger } from '@poolmesh/bus'
import { startTestServer } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect } from 'vitest'
import { conformance, type Subject } from '../conformance/index.ts'
import { HttpAdapter, KubernetesAdapter, McpAdapter, NatsAdapter, type RunEvents } from '../src/index.ts'
import { jobsPool } from './scripted-jobs.ts'
import { httpPool, mcpPool, plainPool, servedPool, workerPool } from './scripted-pools.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
/** Of executors, which take turns. An adapter does not own its connection. */
let connections: NatsConnection[] = []
beforeAll(async () => {
  server = await startTestServer()
  connections = [await server.connect('executor 1'), await server.connect('executor 2')]
})
afterAll(() => server[Symbol.asyncDispose]())

const onTheBus = (pool: typeof plainPool): Omit<Subject, 'name' | 'traits'> => ({
  adapter: (runs: RunEvents, log: Logger) => {
    const nc = connections.shift() as NatsConnection
    connections.push(nc)
    return new NatsAdapter(nc, runs, new ClaimCheck(nc), log)
  },
  pool: async () => await pool(await server.connect('pool'), connections[0] as NatsConnection),
})

const behindHttp = (pool: Subject['pool']): Omit<Subject, 'name'> => ({
  traits: { cancel: 'acknowledged', output: true, adoption: 'by_id' },
  adapter: (runs: RunEvents, log: Logger) =>
    new HttpAdapter({ runs, claims: { get: async () => null }, headers: {}, log }),
  pool,
})

const SILENT_DEATH =
  'on the bus silence says nothing: the health monitor finds out, and the engine gives up the runs'

conformance({
  name: 'NatsAdapter, pools of the worker package',
  traits: { cancel: 'acknowledged', output: true, adoption: 'listed' },
  ...onTheBus(workerPool),
  cannot: { lost: SILENT_DEATH, nonsense: 'the worker package writes every answer itself' },
})

conformance({
  name: 'NatsAdapter, plain subscribers',
  traits: { cancel: 'requested', output: true, adoption: 'none' },
  ...onTheBus(plainPool),
  cannot: { lost: SILENT_DEATH, runs_once: 'a plain subscriber runs whatever it is sent' },
})

conformance({ name: 'HttpAdapter, servers that answer 202', ...behindHttp(() => httpPool('async')) })

const FORGETFUL = 'such a server knows nothing of a task but its connection'
conformance({
  name: 'HttpAdapter, servers that answer when the task is done',
  ...behindHttp(() => httpPool('sync')),
  cannot: { runs_once: FORGETFUL, adoption: FORGETFUL },
})

conformance({
  name: 'HttpAdapter, pools of the worker package',
  ...behindHttp(servedPool),
  cannot: { nonsense: 'the worker package writes every answer itself' },
})

const behindMcp = (pool: Subject['pool'], output = true): Omit<Subject, 'name'> => ({
  traits: { cancel: 'requested', output, adoption: 'none', direct: true },
  adapter: (runs: RunEvents, log: Logger) =>
    new McpAdapter({ runs, claims: { get: async () => null }, headers: {}, log }),
  pool,
  cannot: { runs_once: 'a call of a tool has no id that a server would know again' },
})

conformance({ name: 'McpAdapter, Session-Buddy', ...behindMcp(() => mcpPool('session_buddy'), false) })

conformance({
  name: 'McpAdapter, mahavishnu with workers',
  ...behindMcp(() => mcpPool('mahavishnu')),
  outputOf: (output) => ({ worker_id: expect.any(String), output, exit_code: 0 }),
})

conformance({
  name: 'McpAdapter, mahavishnu with pools',
  ...behindMcp(() => mcpPool('mahavishnu', { use: 'pool_execute' })),
  outputOf: (output) => ({ pool_id: 'default', output, exit_code: 0 }),
})

let kubeconfig: string | undefined
conformance({
  name: 'KubernetesAdapter, Jobs',
  traits: { cancel: 'acknowledged', output: true, adoption: 'by_id' },
  adapter: (runs, log) => new KubernetesAdapter({ runs, claims: { get: async () => null }, kubeconfig, log }),
  pool: async () => {
    const pool = await jobsPool()
    kubeconfig = pool.kubeconfig
    return pool
  },
  cannot: {
    lost: 'Jobs go on while their API server is away: the health monitor finds out, and the engine gives up the runs',
  },
})
