// Pools of each kind that do what their tasks' scripts say.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { silentLogger } from '@poolmesh/bus'
import { HttpPool, type HttpPoolOptions, type McpHandler, McpTestServer, until } from '@poolmesh/testkit'
import { type PoolDescriptor, poolDescriptorSchema } from '@poolmesh/types'
import { definePool, serveHttp } from '@poolmesh/worker'
import type { Script, ScriptedPool } from '../conformance/index.ts'

interface Task {
  task_id: string
  payload: { script?: Script; output?: unknown; error?: string }
}

/** What the scripts of one pool's tasks need to know of them. */
class Scripts {
  readonly #begun = new Map<string, number>()
  readonly #held = new Map<string, () => void>()
  readonly stopped = new Set<string>()

  /** @returns the output @throws Error of a task that has to fail */
  async run({ task_id, payload }: Task): Promise<unknown> {
    this.#begun.set(task_id, this.begun(task_id) + 1)
    if (payload.script === 'fail') throw new Error(payload.error)
    if (payload.script === 'hold') await new Promise<void>((resolve) => this.#held.set(task_id, resolve))
    return payload.output
  }

  begun(taskId: string): number {
    return this.#begun.get(taskId) ?? 0
  }

  release(taskId: string): void {
    this.#held.get(taskId)?.()
  }

  stop(taskId: string): void {
    this.stopped.add(taskId)
    this.release(taskId)
  }
}

let made = 0
const descriptorOf = (fields: object): PoolDescriptor =>
  poolDescriptorSchema.parse({ name: `scripted-${made++}`, max_workers: 4, ...fields })

/** What every one of them has. */
const scripted = (
  descriptor: PoolDescriptor,
  scripts: Scripts,
  rest: Pick<ScriptedPool, 'kill' | 'takeNoMore'>,
): ScriptedPool => ({
  descriptor,
  ...rest,
  begun: (taskId) => scripts.begun(taskId),
  stopped: (taskId) => scripts.stopped.has(taskId),
  release: (taskId) => scripts.release(taskId),
  [Symbol.asyncDispose]: () => rest.kill(),
})

/** The server notices that a connection is gone a little later. */
async function closed(nc: NatsConnection, pool: string, observer: NatsConnection): Promise<void> {
  await nc.close()
  await until(
    () =>
      observer.request(`pool.cancel.${pool}`, '{}').then(
        () => false,
        (error: Error) => error instanceof errors.RequestError && error.isNoResponders(),
      ),
    `${pool} to be gone`,
  )
}

/** Of the worker package. There is no registry: it is played. */
export async function workerPool(nc: NatsConnection, observer: NatsConnection): Promise<ScriptedPool> {
  const scripts = new Scripts()
  const { name, max_workers } = descriptorOf({ pool_type: 'nats' })
  const answered = Promise.withResolvers<PoolDescriptor>()
  const registry = ['pool.register', 'pool.deregister', 'pool.get'].map((subject) =>
    nc.subscribe(subject, {
      callback: (_, message) => {
        if (subject === 'pool.register') answered.resolve(poolDescriptorSchema.parse(message.json()))
        message.respond(message.data.length > 0 ? message.data : '{}')
      },
    }),
  )
  const pool = await definePool({
    name,
    maxWorkers: max_workers,
    handler: (task, { signal }) => run(scripts, task, signal),
  }).start({ nc })
  const descriptor = await answered.promise
  let stopping: Promise<void> | undefined
  return scripted(descriptor, scripts, {
    takeNoMore: () => {
      stopping = pool.stop({ drain: true })
    },
    kill: async () => {
      await closed(nc, name, observer)
      await Promise.all([pool.stop({ drain: false }), stopping])
      for (const subscription of registry) subscription.unsubscribe()
    },
  })
}

/** A subscription, as anyone could write it. */
export async function plainPool(nc: NatsConnection, observer: NatsConnection): Promise<ScriptedPool> {
  const scripts = new Scripts()
  const descriptor = descriptorOf({ pool_type: 'nats' })
  let full = false
  const work = async (message: Msg): Promise<void> => {
    const task = message.json<Task>()
    const say = (answer: object): void => {
      if (!nc.isClosed()) message.respond(JSON.stringify({ task_id: task.task_id, ...answer }))
    }
    if (full) return say({ status: 'failed', error: 'full', metadata: { reason: 'POOL_REFUSED' } })
    if (task.payload.script === 'nonsense') return say({ status: 'splendid' })
    try {
      say({ status: 'completed', output: await scripts.run(task) })
    } catch (error) {
      say({ status: 'failed', error: (error as Error).message })
    }
  }
  nc.subscribe(`pool.work.${descriptor.name}`, {
    queue: descriptor.name,
    callback: (_, message) => void work(message),
  })
  nc.subscribe(`pool.cancel.${descriptor.name}`, {
    callback: (_, message) => scripts.stop(message.json<Task>().task_id),
  })
  await nc.flush()
  return scripted(descriptor, scripts, {
    takeNoMore: () => {
      full = true
    },
    kill: () => closed(nc, descriptor.name, observer),
  })
}

/** A server that somebody wrote. */
export async function httpPool(mode: HttpPoolOptions['mode']): Promise<ScriptedPool> {
  const scripts = new Scripts()
  let full = false
  const server = await HttpPool.start({
    mode,
    handler: ({ task }) => scripts.run(task as Task),
    onCancel: (taskId) => scripts.stop(taskId),
    fault: ({ task }) => (full ? 'busy_503' : task.payload['script'] === 'nonsense' ? 'no_result' : null),
  })
  const descriptor = descriptorOf({ pool_type: 'mahavishnu', endpoint: server.endpoint })
  return scripted(descriptor, scripts, {
    takeNoMore: () => {
      full = true
    },
    kill: () => server[Symbol.asyncDispose](),
  })
}

/** An MCP server, which is not told which task it runs: the task's id is in its output. */
export async function mcpPool(
  kind: 'session_buddy' | 'mahavishnu',
  metadata: object = {},
): Promise<ScriptedPool> {
  const scripts = new Scripts()
  let full = false
  const taskIn = (args: Record<string, unknown>): Task => {
    const { payload } = JSON.parse(String(args['prompt'])) as Task
    return { task_id: (payload.output as { from: string }).from, payload }
  }
  const handler: McpHandler = ({ args, signal }) => run(scripts, taskIn(args), signal)
  const server = await McpTestServer.start({
    kind,
    handler,
    fault: (_, args) => {
      if (args['prompt'] === undefined) return null
      return full ? 'busy_503' : taskIn(args).payload.script === 'nonsense' ? 'no_message' : null
    },
  })
  const descriptor = descriptorOf({
    pool_type: kind,
    endpoint: server.endpoint,
    metadata: { mcp: { pool_id: 'default', ...metadata } },
  })
  return scripted(descriptor, scripts, {
    takeNoMore: () => {
      full = true
    },
    kill: () => server[Symbol.asyncDispose](),
  })
}

/** Of the worker package, behind HTTP. It is killed by cutting it off: it would say good-bye. */
export async function servedPool(): Promise<ScriptedPool> {
  const scripts = new Scripts()
  const { name, max_workers } = descriptorOf({ pool_type: 'nats' })
  const pool = await serveHttp(
    definePool({ name, maxWorkers: max_workers, handler: (task, { signal }) => run(scripts, task, signal) }),
    { log: silentLogger(), handleSignals: false },
  )
  const way = await startWay(Number(new URL(pool.endpoint).port))
  const descriptor = descriptorOf({ pool_type: 'mahavishnu', endpoint: way.endpoint })
  return scripted(descriptor, scripts, {
    takeNoMore: () => void pool.stop({ drain: true }),
    kill: async () => {
      await way.cut()
      await pool.stop({ drain: false })
    },
  })
}

/** Carries connections to a port of this machine until it is cut. */
async function startWay(to: number): Promise<{ endpoint: string; cut: () => Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((incoming) => {
    const outgoing = connect(to, '127.0.0.1')
    for (const [one, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(one)
      one
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(one)
          other.destroy()
        })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Of a handler: told to stop, it does. */
function run(scripts: Scripts, task: Task, signal: AbortSignal): Promise<unknown> {
  signal.addEventListener('abort', () => scripts.stop(task.task_id))
  return scripts.run(task)
}
