// A whole system of processes, each with an address of its own for its metrics, and tasks of several kinds that keep coming.
import { freePort } from '@poolmesh/bus'
import { DistributedTaskExecutor } from '@poolmesh/client'
import { type RunningProcess, run, startTestServer, type TestServer } from '@poolmesh/testkit'
import { RoutingStrategy } from '@poolmesh/types'
import { definePool } from '@poolmesh/worker'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor', 'gateway', 'memory'] as const
type Service = (typeof SERVICES)[number]
/** A pool that misses three counts as lost: soon, but not on a busy machine for no reason. */
const HEARTBEAT_S = 1
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:1/mcp'

export interface MeasuredSystem extends AsyncDisposable {
  readonly server: TestServer
  /** `host:port` of each service's metrics. */
  readonly targets: string[]
  kill(service: Service): Promise<void>
  /** A pool that fails every other task and does the others. */
  startPool(name: string): Promise<{ die(): Promise<void> }>
  /** Tasks come until it is disposed: of two types, by every strategy, and some that no pool fits. */
  submitting(): Promise<AsyncDisposable>
}

export async function startMeasuredSystem(): Promise<MeasuredSystem> {
  await using starting = new AsyncDisposableStack()
  const server = starting.use(await startTestServer())
  const processes = new Map<Service, RunningProcess>()
  const targets: string[] = []
  for (const name of SERVICES) {
    const port = await freePort()
    targets.push(`127.0.0.1:${port}`)
    processes.set(
      name,
      starting.use(
        run('service.ts', [name], {
          NATS_URL: server.url,
          POOLMESH_METRICS_PORT: String(port),
          POOLMESH_HTTP_PORT: String(await freePort()),
          POOLMESH_CHECK_INTERVAL: '1',
          POOLMESH_CHECK_TIMEOUT: '2',
          POOLMESH_HEARTBEAT_INTERVAL: String(HEARTBEAT_S),
          MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'true',
          MAHAVISHNU_POOLS__MEMORY_SYNC_INTERVAL: '10',
          MAHAVISHNU_POOLS__SESSION_BUDDY_URL: NOWHERE,
          MAHAVISHNU_POOLS__AKOSHA_URL: NOWHERE,
        }),
      ),
    )
  }
  await Promise.all([...processes.values()].map((one) => one.line(/"msg":"ready"/)))
  const pools = starting.use(new AsyncDisposableStack())
  const running = starting.move()
  return {
    server,
    targets,
    async kill(service) {
      const one = processes.get(service)
      one?.child.kill('SIGKILL')
      await one?.ended
    },
    async startPool(name) {
      const nc = await server.connect(name)
      const pool = definePool({
        name,
        capabilities: ['work'],
        maxWorkers: 4,
        heartbeatInterval: HEARTBEAT_S,
        handler: ({ task_type }) => {
          if (task_type === 'bad') throw new Error('as asked for')
          return { done: true }
        },
      })
      pools.use(await pool.start({ nc }))
      // Without a word, as a process that is killed.
      return { die: () => nc.close() }
    },
    async submitting() {
      const executor = new DistributedTaskExecutor(await server.connect('submitter'))
      const strategies = Object.values(RoutingStrategy)
      let count = 0
      const timer = setInterval(() => {
        const common = {
          payload: {},
          required_capabilities: ['work'],
          routing_strategy: strategies[count++ % strategies.length]!,
        }
        const tasks = [
          { ...common, task_type: 'good' },
          { ...common, task_type: 'bad', max_attempts: 2 },
          { ...common, task_type: 'good', required_capabilities: ['nobody-has-this'] },
        ]
        for (const task of tasks)
          executor
            .submit(task)
            .result()
            .catch(() => {})
      }, 50)
      return {
        async [Symbol.asyncDispose]() {
          clearInterval(timer)
          await executor[Symbol.asyncDispose]()
        },
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
