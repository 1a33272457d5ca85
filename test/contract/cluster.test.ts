// Contract, promise 1, on three NATS servers that keep three copies of everything: any of them is killed under load, and
// services, pools and submitters go on with the other two.
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream'
import { DEFAULT_TOPOLOGY, ensureTopology, StoredTasks } from '@poolmesh/bus'
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import {
  type RunningProcess,
  run,
  startTestCluster,
  type TestCluster,
  type TestNode,
  until,
} from '@poolmesh/testkit'
import { completedSubject } from '@poolmesh/types'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, Stranger } from './harness.ts'

const SERVICES = ['registry', 'executor', 'executor', 'distributor', 'health-monitor']
const STREAMS = [
  'DEAD',
  'KV_EXECUTORS',
  'KV_MEMORY',
  'KV_POOLS',
  'KV_POOL_HEALTH',
  'OBJ_PAYLOADS',
  'POOL_EVENTS',
  'REJECTED',
  'RESULTS',
  'TASKS',
]
/** Tasks that are in flight while a server is killed, at least; and that must end after it. */
const IN_FLIGHT = 200
const AFTER = 1_000

let parts: AsyncDisposableStack
let cluster: TestCluster
let services: RunningProcess[]
let system: DistributedPoolSystem
let jsm: JetStreamManager
beforeAll(async () => {
  parts = new AsyncDisposableStack()
  cluster = parts.use(await startTestCluster())
  const env = { NATS_URL: cluster.url, POOLMESH_REPLICAS: '3' }
  services = SERVICES.map((name) => parts.use(run('service.ts', [name], env)))
  await Promise.all(services.map((service) => service.line(/"msg":"ready"/)))
  const url = cluster.url
  system = parts.use(await createDistributedPoolSystem({ servers: url, embedded: 'never' }))
  parts.use(
    await definePool({
      name: 'steady',
      capabilities: ['steady'],
      maxWorkers: 50,
      handler: async ({ payload }) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 50))
        return { n: payload['n'] }
      },
    }).start({ servers: url, handleSignals: false }),
  )
  jsm = await jetstreamManager(await cluster.connect())
})
afterAll(() => parts.disposeAsync())

const copies = ({ cluster }: { cluster?: StreamInfo['cluster'] }): number =>
  1 + (cluster?.replicas?.length ?? 0)

test('every stream, bucket and consumer has three copies', async () => {
  // One whose leader does not answer in time, as in the second after it was made, is missing from the server's lists.
  await healed()
  const found: Record<string, number> = {}
  for await (const info of jsm.streams.list()) {
    found[info.config.name] = copies(info)
    for await (const consumer of jsm.consumers.list(info.config.name))
      if (consumer.config.durable_name) expect(copies(consumer), consumer.name).toBe(3)
  }
  expect(found).toEqual(Object.fromEntries(STREAMS.map((name) => [name, 3])))
  // Those of the lanes that one of the executors has made, beside the shared ones.
  await until(async () => (await jsm.consumers.list('TASKS').next()).length > 2, 'the lanes to be listed')
})

const leaderOf = async (stream: string): Promise<string | undefined> =>
  (await jsm.streams.info(stream).catch(() => null))?.cluster?.leader

async function listed(): Promise<StreamInfo[]> {
  const infos: StreamInfo[] = []
  for await (const info of jsm.streams.list()) infos.push(info)
  return infos
}

/** All copies are there and up to date. */
async function healed(): Promise<void> {
  await until(
    async () => {
      // While there is no leader nobody answers, which is no end of the waiting.
      const infos = await listed().catch(() => [])
      return (
        infos.length === STREAMS.length &&
        infos.every(({ cluster }) => cluster?.leader && cluster.replicas?.every(({ current }) => current))
      )
    },
    'all copies to be up to date',
    60_000,
  )
}

/** Tasks one after the other, many at a time, until told to stop. @returns how many each id ended */
function load() {
  const ended = new Map<string, string>()
  const failures: unknown[] = []
  let stop = false
  let n = 0
  const one = async (): Promise<void> => {
    while (!stop)
      try {
        const task = { task_type: 'load', payload: { n: n++ }, required_capabilities: ['steady'] }
        const { task_id, status } = await system.executor.executeTask(task)
        ended.set(task_id, status)
      } catch (error) {
        failures.push(error)
        return
      }
  }
  const all = Array.from({ length: IN_FLIGHT }, one)
  return {
    ended,
    failures,
    async stop() {
      stop = true
      await Promise.all(all)
    },
  }
}

async function killedUnderLoad(node: TestNode): Promise<void> {
  const tasks = load()
  await until(() => tasks.ended.size > AFTER, 'the load to run')
  await node.kill('SIGKILL')
  const before = tasks.ended.size
  await until(() => tasks.ended.size > before + AFTER || tasks.failures.length > 0, 'work to go on', 45_000)
  await node.start()
  await healed()
  const again = tasks.ended.size
  await until(() => tasks.ended.size > again + AFTER || tasks.failures.length > 0, 'work to go on', 45_000)
  await tasks.stop()
  expect(tasks.failures).toEqual([])
  expect(new Set(tasks.ended.values())).toEqual(new Set(['completed']))
  await oneResultEach([...tasks.ended.keys()])
  for (const service of services) expect(service.child.exitCode).toBeNull()
}

/** Of tasks in batches the result is under the batch's id. */
async function oneResultEach(ids: string[]): Promise<void> {
  using stored = await StoredTasks.open(await cluster.connect())
  const seen = new Map<string, number>()
  const subjects = new Set(ids.map((id) => completedSubject(id.slice(0, 25))))
  for (const subject of subjects)
    for (const { task_id } of (await stored.under(subject)).results)
      seen.set(task_id, (seen.get(task_id) ?? 0) + 1)
  expect(ids.filter((id) => seen.get(id) !== 1)).toEqual([])
}

test('an answer of a plain pool that dies with the pool’s server, unknown to the executors on others, is asked for again', async () => {
  const executors = services.filter((_, i) => SERVICES[i] === 'executor')
  const taken = executors.flatMap((service) => /"server":"([^"]+)"/.exec(service.stdout())?.[1] ?? [])
  const node = cluster.nodes.find(({ url }) => !taken.some((server) => url.endsWith(server))) as TestNode
  const stranger = await Stranger.to(node.url)
  parts.defer(() => stranger.close())
  let deaf = true
  await using pool = await stranger.own({
    maxWorkers: 2,
    handler: (work) => (deaf ? undefined : completed(work, { done: true })),
  })
  const id = await stranger.submit({ ...pool.task, timeout: 300 })
  await until(() => pool.received.length === 1, 'the pool to have the task')
  deaf = false
  await node.kill('SIGKILL')
  expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed' })
  await node.start()
  await healed()
}, 180_000)

test('the server that leads the pending tasks is killed under load and started again', async () => {
  const name = await until(() => leaderOf('TASKS'), 'a leader')
  await killedUnderLoad(cluster.nodes.find((node) => node.name === name)!)
}, 180_000)

test('one that does not lead them is killed under load and started again', async () => {
  const name = await until(() => leaderOf('TASKS'), 'a leader')
  await killedUnderLoad(cluster.nodes.find((node) => node.name !== name)!)
}, 180_000)

test('all three are killed at once: what was acknowledged ends', async () => {
  const handles = Array.from({ length: 2_000 }, (_, n) =>
    system.executor.submit({ task_type: 'load', payload: { n }, required_capabilities: ['steady'] }),
  )
  await handles[0]!.stored
  await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')))
  await Promise.all(cluster.nodes.map((node) => node.start()))
  const results = await Promise.all(handles.map((handle) => handle.result()))
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['completed']))
  await oneResultEach(handles.map((handle) => handle.taskId))
}, 180_000)

test('fewer copies, and more again, reach what is there; who asks for nothing changes nothing', async () => {
  const nc = await cluster.connect()
  const all = async () => {
    const found = new Set<number>()
    for await (const { config } of jsm.streams.list()) found.add(config.num_replicas)
    return [...found]
  }
  await ensureTopology(nc, { ...DEFAULT_TOPOLOGY, replicas: 1 })
  expect(await all()).toEqual([3])
  await ensureTopology(nc, { ...DEFAULT_TOPOLOGY, replicas: 1, resize: true })
  expect(await all()).toEqual([1])
  await ensureTopology(nc, { ...DEFAULT_TOPOLOGY, replicas: 3, resize: true })
  expect(await all()).toEqual([3])
})
