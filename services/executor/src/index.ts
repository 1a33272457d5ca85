// The executor: wires the engine's decisions to the bus.
import { nuid } from '@nats-io/transport-node'
import { NatsAdapter } from '@poolmesh/adapters'
import {
  ClaimCheck,
  endpoint,
  followPools,
  Publisher,
  type ServiceContext,
  type StartService,
  StoredTasks,
  serve,
} from '@poolmesh/bus'
import { PoolTable, TaskEngine } from '@poolmesh/core'
import { cancelRequestSchema, INTERNAL, STREAMS, SUBJECTS, taskIdRequestSchema } from '@poolmesh/types'
import * as z from 'zod'
import type { Held } from './held.ts'
import { Intake } from './intake.ts'
import { answerForOwn } from './own.ts'
import { type DrainingPools, poolListener } from './pools.ts'
import { Presence } from './presence.ts'
import { Questions } from './questions.ts'
import { Rejections } from './rejections.ts'
import { ExecutorStats } from './stats.ts'
import { Storage } from './storage.ts'
import { TakeUp } from './take-up.ts'

const TICK_MS = 25
/** Held batches are kept from being given to others: a third of the consumers' ack_wait. */
const KEEP_MS = 3_000
/** How long running tasks may take to end when the executor stops. */
const DRAIN_MS = 6_000

export const startExecutor: StartService = async (context) => await Executor.start(context)

class Executor implements AsyncDisposable {
  readonly #owned = new AsyncDisposableStack()
  #pumping = false
  #stopping = false

  static async start(context: ServiceContext): Promise<Executor> {
    const executor = new Executor()
    try {
      await executor.#start(context)
    } catch (error) {
      await executor.#owned.disposeAsync()
      throw error
    }
    return executor
  }

  async #start({ nc, settings, log }: ServiceContext): Promise<void> {
    const owned = this.#owned
    const id = nuid.next()
    const publisher = owned.use(new Publisher(nc))
    const stored = owned.use(await StoredTasks.open(nc))
    const claims = new ClaimCheck(nc)
    const table = new PoolTable()
    const defaultStrategy = settings.pools.routing_strategy
    const storage = await Storage.open(nc, { engine: () => engine, publisher, stored, claims, log })
    const reports = new Map<string, number>()

    const pump = (): void => {
      this.#pumping = false
      if (this.#stopping) return
      engine.pump()
      adapter.flush()
      takeUp?.nudge()
    }
    let takeUp: TakeUp | null = null
    const engine: TaskEngine<Held> = new TaskEngine<Held>(
      table,
      {
        dispatch: (run) => adapter.add(run),
        cancel: (pool, taskId, reason) => adapter.cancel(pool, taskId, reason),
        append: (batch, results) => storage.append(batch, results),
        close: (batch) => batch.handle.message.ack(),
        park: (batch, tasks, key, wakeAt) => storage.park(batch, tasks, key, wakeAt),
        retrieve: (key, atMost) => void storage.retrieve(key, atMost),
        report: (pool, kind) =>
          void reports.set(`${kind} ${pool}`, (reports.get(`${kind} ${pool}`) ?? 0) + 1),
        schedule: () => {
          if (this.#pumping) return
          this.#pumping = true
          setImmediate(pump)
        },
      },
      {
        windowTasks: settings.poolmesh.window_tasks,
        windowBytes: settings.poolmesh.window_bytes,
        now: Date.now,
        random: Math.random,
      },
    )
    const adapter = owned.use(new NatsAdapter(nc, engine, claims, log))
    owned.defer(() => storage.stop())
    const draining: DrainingPools = new Map()
    owned.use(
      await followPools(nc, poolListener(engine, draining, log), (subject) =>
        log.warn({ subject }, 'not readable, ignored'),
      ),
    )
    await storage.findParked((task) => {
      const signature = engine.waiting.signature(task.required_capabilities, task.pool ?? null)
      engine.parking.known(signature.key, signature.requirements)
      engine.waiting.release(signature)
    })
    owned.use(new Presence(nc, id, table, draining))
    const questions = await Questions.open(nc, { engine, stored, publisher, defaultStrategy })
    owned.use(answerForOwn(nc, id, engine))
    const stats = owned.use(await ExecutorStats.open(nc, id, engine))
    owned.use(
      await serve(nc, {
        name: 'poolmesh-executor',
        description: 'Routes tasks to pools, runs them and stores their results',
        log,
        endpoints: [
          endpoint({
            subject: SUBJECTS.taskStatus,
            request: taskIdRequestSchema,
            handle: (r) => questions.status(r.task_id),
          }),
          endpoint({
            subject: SUBJECTS.taskResult,
            request: taskIdRequestSchema,
            handle: (r) => questions.result(r.task_id),
          }),
          endpoint({
            subject: SUBJECTS.taskCancel,
            request: cancelRequestSchema,
            handle: (r) => questions.cancel(r.task_id, r.reason),
          }),
          endpoint({
            subject: SUBJECTS.taskExplain,
            request: explainRequest,
            handle: (r) => questions.explain(r),
          }),
          endpoint({
            subject: SUBJECTS.executorStats,
            request: z.looseObject({}),
            handle: () => stats.overAll(),
          }),
        ],
      }),
    )
    const rejections = new Rejections(publisher, stored, log)
    const lanes = owned.use(new TakeUp(nc, { engine, stored, publisher, rejections, defaultStrategy, log }))
    takeUp = lanes
    const intake = owned.use(new Intake(nc, { publisher, rejections, defaultStrategy }))

    const every = (ms: number, work: () => void): void => {
      const timer = setInterval(work, ms)
      owned.defer(() => clearInterval(timer))
    }
    every(TICK_MS, () => {
      engine.tick()
      lanes.nudge()
    })
    every(KEEP_MS, () => {
      for (const batch of engine.batches()) batch.handle.message.working()
      adapter.sweep()
    })
    every(200, () => {
      for (const [key, count] of reports) {
        const [kind, pool] = key.split(' ')
        nc.publish(INTERNAL.poolReport, JSON.stringify({ pool, kind, count }))
      }
      reports.clear()
    })
    void (async () => {
      for await (const status of nc.status()) {
        if (status.type !== 'reconnect') continue
        lanes.reset()
        intake.reset()
      }
    })().catch(() => {})
    // Runs first when disposed: what runs may end, what waits goes to another executor.
    owned.defer(() => this.#drain(nc, engine, lanes, intake))
    log.info({ executor: id, pools: table.size }, `${STREAMS.tasks}: taking tasks`)
  }

  async #drain(
    nc: ServiceContext['nc'],
    engine: TaskEngine<Held>,
    takeUp: TakeUp,
    intake: Intake,
  ): Promise<void> {
    this.#stopping = true
    await Promise.all([takeUp.stop(), intake.stop()])
    for (const batch of [...engine.batches()]) {
      if (batch.entries.some((entry) => entry.state === 'running' || entry.state === 'settled')) continue
      engine.forget(batch)
      batch.handle.message.nak()
    }
    const end = performance.now() + DRAIN_MS
    while (engine.running > 0 && performance.now() < end && !nc.isClosed())
      await new Promise((resolve) => setTimeout(resolve, 20))
    // Results that are being written are told before the connection goes.
    while (
      [...engine.batches()].some((batch) => batch.writing.length > 0) &&
      performance.now() < end + 1_000 &&
      !nc.isClosed()
    )
      await new Promise((resolve) => setTimeout(resolve, 10))
    for (const batch of [...engine.batches()]) {
      engine.forget(batch)
      batch.handle.message.nak()
    }
    if (!nc.isClosed()) await nc.flush().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

const explainRequest = z.looseObject({}).superRefine((request, context) => {
  if ('task_type' in request || 'payload' in request) return
  const id = taskIdRequestSchema.safeParse(request)
  if (!id.success)
    context.addIssue({
      code: 'custom',
      path: ['task_id'],
      message: 'name a task by its id, or send a whole task',
    })
})
