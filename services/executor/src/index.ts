// The executor: wires the engine's decisions to the bus. Any number may run: one dispatches, the others answer questions,
// check what is submitted, and stand by to take over (docs/decisions/0005-one-dispatcher.md).
import { jetstreamManager } from '@nats-io/jetstream'
import { nuid } from '@nats-io/transport-node'
import {
  Adapters,
  HttpAdapter,
  KubernetesAdapter,
  McpAdapter,
  NatsAdapter,
  type RunId,
} from '@poolmesh/adapters'
import {
  ClaimCheck,
  followLink,
  followPools,
  followServers,
  LeaseKeeper,
  Progress,
  Publisher,
  type ServiceContext,
  type StartService,
  type StoredPool,
  StoredTasks,
  type TaskMessage,
} from '@poolmesh/bus'
import { type EnginePorts, Lease, PoolTable, type Run, TaskEngine } from '@poolmesh/core'
import { activeTracing } from '@poolmesh/tracing'
import { BUCKETS, INTERNAL, laneOf, type PriorityLane, SUBJECTS } from '@poolmesh/types'
import { DeadLetters } from './dead-letters.ts'
import { DeadQuestions } from './dead-questions.ts'
import { drain } from './drain.ts'
import type { Held } from './held.ts'
import { Intake } from './intake.ts'
import { executorMetrics } from './metrics.ts'
import { answerForOwn } from './own.ts'
import { ParkedTasks } from './parked.ts'
import { type DrainingPools, poolListener } from './pools.ts'
import { Presence } from './presence.ts'
import { Questions } from './questions.ts'
import { Rejections } from './rejections.ts'
import { Reports } from './reports.ts'
import { Review } from './review.ts'
import { RunLog } from './run-log.ts'
import { serveQuestions } from './serve.ts'
import { ExecutorStats } from './stats.ts'
import { Storage } from './storage.ts'
import { Tenure } from './tenure.ts'
import type { TaskTraces } from './traces.ts'

const TICK_MS = 25
/** Held batches are kept from being delivered again, which would only cost: a third of the consumers' ack_wait. */
const KEEP_MS = 20_000
const SECOND_MS = 1_000
/** A dispatcher that was not heard for so long is taken for dead; it has stopped acting a second before. */
const LEASE = { leaseMs: 4_000, renewMs: 1_000, marginMs: 1_000 }

export const startExecutor: StartService = async (context) => {
  const owned = new AsyncDisposableStack()
  try {
    await start(context, owned)
  } catch (error) {
    await owned.disposeAsync()
    throw error
  }
  return owned
}

async function start(
  { nc, settings, log, metrics }: ServiceContext,
  owned: AsyncDisposableStack,
): Promise<void> {
  const id = nuid.next()
  const publisher = owned.use(new Publisher(nc, { ahead: true }))
  const stored = owned.use(await StoredTasks.open(nc))
  const claims = new ClaimCheck(nc)
  const table = new PoolTable()
  const defaultStrategy = settings.pools.routing_strategy
  let tenure: Tenure | null = null
  let pumping = false
  let owed = false
  let stopping = false
  let cancellations: [pool: string, taskId: string, reason: string][] = []
  const mayAct = (): boolean => tenure !== null && lease.mayAct

  const dead = new DeadLetters(nc, { publisher, claims, mayAct, log })
  const traces = await openTraces()
  const storage = new Storage(nc, {
    engine: () => engine,
    publisher,
    stored,
    claims,
    dead,
    log,
    mayAct,
    ...(traces ? { onStored: (batch, results) => traces.stored(batch, results) } : {}),
  })
  const takeDirectly = (message: TaskMessage, id: string, lane: PriorityLane): boolean =>
    mayAct() && (tenure?.takeDirectly(message, id, lane) ?? false)
  const parked = await ParkedTasks.open(nc, { engine: () => engine, publisher, takeDirectly, log })
  const runLog = owned.use(await RunLog.open(nc, id, publisher, log))
  const reports = owned.use(new Reports(nc))
  const pump = (): void => {
    pumping = false
    owed = stopping || !mayAct()
    if (owed) return
    engine.pump()
    runLog.tell()
    adapter.flush()
    tenure?.nudge()
  }
  const schedule = (): void => {
    if (pumping) return
    pumping = true
    setImmediate(pump)
  }
  const ports: EnginePorts<Held> = {
    dispatch: (run) => {
      remember(run)
      adapter.add(run)
    },
    adopted: (run) => {
      remember(run)
      adapter.adopt(run)
    },
    freed: (run) => runLog.freed(run),
    // What another dispatches by now is not ours to stop: where that is not certain, it waits until it is.
    cancel: (pool, taskId, reason) => {
      if (lease.mayAct) adapter.cancel(pool, taskId, reason)
      else cancellations.push([pool, taskId, reason])
    },
    append: (batch, results) => storage.append(batch, results),
    close: (batch) => void dead.acknowledge(batch.handle),
    park: (batch, tasks, key, wakeAt) => parked.park(batch, tasks, key, wakeAt),
    retrieve: (key, atMost) => void parked.retrieve(key, atMost),
    report: (pool, kind) => reports.add(pool, kind),
    schedule,
  }
  const engine: TaskEngine<Held> = new TaskEngine<Held>(
    table,
    traces?.watch(ports, (taskId) => engine.find(taskId)) ?? ports,
    {
      windowTasks: settings.poolmesh.window_tasks,
      windowBytes: settings.poolmesh.window_bytes,
      now: Date.now,
      random: Math.random,
    },
  )
  // Pools on the bus publish it themselves.
  const progress = owned.use(
    new Progress<RunId>(
      (subject, text) => publisher.tell(subject, text),
      ({ pool, taskId, attempt }) => ({ pool, task_id: taskId, attempt }),
    ),
  )
  const adapter = owned.use(
    new Adapters(
      [
        new NatsAdapter(nc, engine, claims, log),
        new HttpAdapter({ runs: engine, claims, headers: settings.poolmesh.http_headers, progress, log }),
        new McpAdapter({ runs: engine, claims, headers: settings.poolmesh.http_headers, progress, log }),
        new KubernetesAdapter({ runs: engine, claims, kubeconfig: settings.poolmesh.kubeconfig, log }),
      ],
      engine,
      (name) => table.get(name)?.descriptor,
    ),
  )
  /** What a pool does not list itself. */
  const remember = (run: Run): void => {
    if (adapter.traits(run.pool.descriptor).adoption !== 'listed') runLog.began(run)
  }
  owned.defer(() => storage.stop())
  owned.defer(() => parked.stop())
  const draining: DrainingPools = new Map()
  const review = owned.use(new Review({ engine, adapter, mayAct, term: () => tenure, log }))
  const changes = {
    replaced(pool: StoredPool): void {
      runLog.replaced(pool.name)
      review.replaced(pool)
    },
    retired(pool: StoredPool): void {
      if (mayAct()) adapter.retire(pool)
    },
  }
  owned.use(
    await followPools(nc, poolListener(engine, adapter, draining, log, changes), (subject) =>
      log.warn({ subject }, 'not readable, ignored'),
    ),
  )
  const presence = owned.use(
    new Presence(nc, {
      id,
      table,
      draining,
      acting: mayAct,
      following: () => runLog.following,
      onFollower: () => runLog.tellAll(),
    }),
  )
  const jsm = await jetstreamManager(nc)
  const rejections = new Rejections(publisher, stored, log)

  // Taking over and letting go, one after the other.
  let own: Disposable | null = null
  let turn = Promise.resolve()
  const letGo = async (): Promise<void> => {
    own?.[Symbol.dispose]()
    own = null
    const ended = tenure
    tenure = null
    cancellations = []
    await ended?.[Symbol.asyncDispose]()
  }
  const takeOver = async (): Promise<void> => {
    const parts = {
      jsm,
      engine,
      adapter,
      parked,
      runLog,
      stored,
      publisher,
      rejections,
      dead,
      defaultStrategy,
      onRecovered: () => review.recovered(),
      onGone: () => void anew('the consumers of the lanes are gone, taking over again'),
      wanted: () => !stopping && lease.holds,
      log,
    }
    own = answerForOwn(nc, engine, mayAct)
    tenure = await Tenure.begin(nc, parts)
    runLog.tellAll()
    schedule()
  }
  const inTurn = (what: () => Promise<void>): Promise<void> => {
    turn = turn.then(what).catch(async (error: Error) => {
      log.error({ err: error }, 'the tasks could not be taken over')
      await letGo()
      // Without the tasks the lease is of no use to us: another, or we again, take it anew.
      if (!stopping && !nc.isClosed()) setTimeout(() => void retry(), SECOND_MS)
    })
    return turn
  }
  /** All is taken over once more, the lease being ours. */
  const anew = (why: string): Promise<void> => {
    const missed = tenure
    return inTurn(async () => {
      if (stopping || tenure === null || tenure !== missed || !lease.holds) return
      log.warn(why)
      await letGo()
      await takeOver()
    })
  }
  const retry = async (): Promise<void> => {
    if (!stopping && tenure === null && lease.holds) await inTurn(takeOver)
  }
  const lease: LeaseKeeper = owned.use(
    await LeaseKeeper.open(nc, {
      id,
      key: 'dispatcher',
      bucket: BUCKETS.executors,
      rules: new Lease({ id, ...LEASE }),
      log,
      isBehind: (holder) => runLog.isBehind(holder),
      onTaken: () => void inTurn(takeOver),
      onLost: () => {
        if (!stopping) log.warn('another executor dispatches now')
        void inTurn(letGo)
      },
    }),
  )

  const questions = await Questions.open(nc, { engine, stored, publisher, defaultStrategy, mayAct })
  const stats = owned.use(await ExecutorStats.open(nc, id, engine))
  metrics?.source(executorMetrics({ engine, jsm, mayAct }))
  const deadQuestions = await DeadQuestions.open(nc, publisher, claims)
  owned.use(await serveQuestions(nc, { questions, deadQuestions, stats, log }))
  const intake = owned.use(
    new Intake(nc, {
      publisher,
      rejections,
      defaultStrategy,
      takeDirectly: (message, task) => takeDirectly(message, task.task_id, laneOf(task.priority)),
    }),
  )

  const every = (ms: number, work: () => void): void => {
    const timer = setInterval(work, ms)
    owned.defer(() => clearInterval(timer))
  }
  every(TICK_MS, () => {
    if (!mayAct()) return
    engine.tick()
    for (const [pool, taskId, reason] of cancellations) adapter.cancel(pool, taskId, reason)
    cancellations = []
    runLog.tell()
    if (owed) schedule()
    tenure?.nudge()
  })
  every(KEEP_MS, () => {
    for (const batch of engine.batches()) batch.handle.message.working()
    adapter.sweep()
  })
  every(SECOND_MS, () => {
    if (!mayAct()) return
    runLog.write(engine)
    void parked.sweep()
    // Those are the intake's, which all executors share: they must not go to another one meanwhile.
    for (const { handle } of engine.batches())
      if (handle.message.subject === SUBJECTS.taskSubmitted) handle.message.working()
  })
  owned.use(
    followLink(nc, (up) => {
      if (!up) return
      storage.doubt()
      // What a predecessor had in flight may be late by more than is waited for.
      if (engine.recovering) void anew('the connection was cut while tasks were taken over, once more')
      tenure?.reset()
      intake.reset()
      review.doubt()
      if (tenure === null) runLog.doubt()
      else runLog.doubtOwn()
    }),
  )
  // A plain subscriber that was connected to it may have answered into the void.
  owned.use(
    followServers(nc, () => {
      review.doubt()
      runLog.doubtOwn()
    }),
  )
  // Runs first when disposed: what runs may end or is handed over, what waits goes to another executor.
  owned.defer(async () => {
    stopping = true
    await intake.stop()
    await turn
    await drain(nc, engine, { stopTaking: () => tenure?.stopTaking(), hasPeers: () => presence.hasPeers() })
    if (mayAct()) runLog.tellAll()
    await inTurn(letGo)
    await lease.release()
    if (!nc.isClosed()) await nc.flush().catch(() => {})
  })
  await turn
  log.info({ executor: id, pools: table.size, dispatches: tenure !== null }, INTERNAL.executors)
}

/** Loaded only where traces are on. */
async function openTraces(): Promise<TaskTraces | null> {
  const tracing = activeTracing()
  return tracing && new (await import('./traces.ts')).TaskTraces(tracing)
}
