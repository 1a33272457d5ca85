// Pools. A worker pool mirrors packages/worker/src/{runner,outbox,pool,wanted}.ts; a plain one knows nothing but the protocol:
// it begins what it is sent and answers once.
import type { DistributedTask, PoolDescriptor } from '@poolmesh/types'
import { type Directory, HEARTBEAT_MS } from './directory.ts'
import type { Connection, Reply } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { Process } from './process.ts'
import { hashOf, Random } from './random.ts'
import { keyOf, type PoolAnswerMessage, type SaidRunning, type Work } from './wiring.ts'

const KEPT_MS = 10_000
const STALL_MS = 3_000
const WANTED_MS = 2_000
const WANTED_TRIES = 3
const REGISTER_MS = 2_000
/** A handler that is told to stop does so within this. */
const OBEYS_MS = 400

export interface PoolSpec {
  readonly name: string
  readonly kind: 'worker' | 'plain'
  readonly workers: number
  readonly capabilities: string[]
  /** A plain pool: whether it stops what it is told to, and whether it says its load. */
  readonly obeys: boolean
  readonly beats: boolean
}

export interface PoolParts {
  readonly spec: PoolSpec
  readonly process: Process
  readonly connection: Connection
  readonly directory: Directory
  readonly oracle: Oracle
  readonly seed: number
  onBegan(taskId: string): void
}

interface OwnRun {
  readonly task: DistributedTask
  readonly attempt: number
  readonly sentAt: number
  startedAt: number | null
  answered: boolean
  stopping: boolean
  over: boolean
}

/** What a run does depends on its name alone: how long it takes and how it ends. */
function behaviourOf(seed: number, taskId: string, attempt: number): { ms: number; fails: boolean } {
  const random = new Random(seed, hashOf(keyOf(taskId, attempt)))
  const ms = random.chance(0.15) ? random.int(2_000, 14_000) : random.skewed(2, 1_500)
  return { ms, fails: random.chance(0.2) }
}

export class Pool {
  readonly #parts: PoolParts
  readonly #runs = new Map<string, OwnRun>()
  #queue: OwnRun[] = []
  #sent: { at: number; answers: PoolAnswerMessage[] }[] = []
  #ready: PoolAnswerMessage[] = []
  #registered = false

  constructor(parts: PoolParts) {
    this.#parts = parts
    const { spec, connection, process, oracle } = parts
    const { name } = spec
    connection.subscribe<Work[]>(`work.${name}`, (works) => {
      for (const work of works) this.#accept(work)
    })
    if (spec.kind === 'worker' || spec.obeys)
      connection.subscribe<string>(`cancel.${name}`, (taskId) => this.#cancel(taskId))
    if (spec.kind === 'worker')
      connection.subscribe(`running.${name}`, (_, respond) => {
        this.#sendAgain()
        respond(this.#said())
      })
    process.onExit(() => oracle.poolGone(name, process.name))
    this.#register()
    let beatAt = process.monotonic()
    process.every(HEARTBEAT_MS, () => {
      const late = process.monotonic() - beatAt - HEARTBEAT_MS
      beatAt = process.monotonic()
      this.#beat()
      if (late > STALL_MS) this.#askWanted()
    })
    connection.onUp = () => this.#reconnected()
  }

  get #isWorker(): boolean {
    return this.#parts.spec.kind === 'worker'
  }

  #descriptor(): PoolDescriptor {
    const { name, workers, capabilities } = this.#parts.spec
    return {
      name,
      pool_type: 'nats',
      capabilities,
      max_workers: workers,
      current_workers: this.#working(),
      queue_size: this.#queue.length,
      health_status: 'healthy',
      region: null,
      metadata: this.#isWorker ? { poolmesh: { batch: true } } : {},
    }
  }

  #register(): void {
    const { connection, process, directory } = this.#parts
    connection.call(
      () => {
        if (directory.pools.get(this.#parts.spec.name)?.instance !== process.name)
          directory.register(this.#descriptor(), process.name)
      },
      REGISTER_MS,
      (reply) => {
        if (reply.kind !== 'reply') this.#register()
        else {
          this.#registered = true
          this.#beat()
        }
      },
    )
  }

  #reconnected(): void {
    if (!this.#isWorker || !this.#registered) return
    this.#beat()
    this.#sendAgain()
    this.#askWanted()
  }

  #working(): number {
    let working = 0
    for (const run of this.#runs.values()) if (run.startedAt !== null) working++
    return working
  }

  #beat(): void {
    const { connection, directory, spec } = this.#parts
    const { name } = spec
    if (!this.#isWorker && !spec.beats) {
      // The health monitor finds that somebody subscribes to its work.
      connection.say(() => directory.beat(name))
      return
    }
    connection.say(() => directory.beat(name))
    connection.publish('heartbeats', { name, workers: this.#working(), queue: this.#queue.length })
  }

  // Runs

  #accept(work: Work): void {
    const { task, attempt, sentAt } = work
    const key = keyOf(task.task_id, attempt)
    this.#parts.oracle.received(this.#parts.spec.name, work)
    const known = this.#runs.get(key)
    if (this.#isWorker && known && !known.answered) return
    const run: OwnRun = {
      task,
      attempt,
      sentAt,
      startedAt: null,
      answered: false,
      stopping: false,
      over: false,
    }
    if (!this.#isWorker) {
      this.#start(key, run)
      return
    }
    const { workers } = this.#parts.spec
    const full = this.#working() >= workers && this.#queue.length >= workers
    if (full || known) {
      this.#say(run, { status: 'failed', refused: true })
      return
    }
    this.#runs.set(key, run)
    this.#queue.push(run)
    this.#fill()
  }

  #fill(): void {
    while (this.#working() < this.#parts.spec.workers) {
      const run = this.#queue.shift()
      if (!run) return
      this.#start(keyOf(run.task.task_id, run.attempt), run)
    }
  }

  #start(key: string, run: OwnRun): void {
    const { process, oracle, spec, seed, onBegan } = this.#parts
    const { task, attempt, sentAt } = run
    const taskId = task.task_id
    this.#runs.set(key, run)
    run.startedAt = process.monotonic()
    oracle.began(spec.name, {
      process: process.name,
      taskId,
      attempt,
      timeoutMs: task.timeout * 1000,
      sentAt: this.#isWorker ? Number.POSITIVE_INFINITY : sentAt,
    })
    onBegan(taskId)
    const { ms, fails } = behaviourOf(seed, taskId, attempt)
    process.after(ms, () => this.#end(key, run, fails ? 'failed' : 'completed'))
    if (this.#isWorker) process.after(task.timeout * 1000, () => this.#stop(key, run, 'timeout'))
  }

  #end(key: string, run: OwnRun, status: PoolAnswerMessage['status']): void {
    if (run.over) return
    run.over = true
    this.#say(run, { status })
    const { oracle, spec, process } = this.#parts
    oracle.over(spec.name, process.name, run.task.task_id, run.attempt)
    if (this.#runs.get(key) === run) this.#runs.delete(key)
    this.#fill()
  }

  #stop(key: string, run: OwnRun, status: 'cancelled' | 'timeout'): void {
    if (run.over || run.stopping) return
    run.stopping = true
    const waits = this.#queue.indexOf(run)
    if (waits >= 0) {
      this.#queue.splice(waits, 1)
      this.#runs.delete(key)
      this.#say(run, { status })
      return
    }
    const ms = new Random(this.#parts.seed, hashOf(`stop ${key}`)).skewed(1, OBEYS_MS)
    this.#parts.process.after(ms, () => this.#end(key, run, status))
  }

  #cancel(taskId: string): void {
    for (const [key, run] of [...this.#runs])
      if (run.task.task_id === taskId) this.#stop(key, run, 'cancelled')
  }

  // Answers

  #say(run: OwnRun, how: { status: PoolAnswerMessage['status']; refused?: boolean }): void {
    if (run.answered) return
    run.answered = true
    const { spec, connection, process } = this.#parts
    const answer = { pool: spec.name, taskId: run.task.task_id, attempt: run.attempt, ...how }
    if (!this.#isWorker) {
      connection.publish('answer.one', [answer])
      return
    }
    this.#ready.push(answer)
    if (this.#ready.length === 1) process.after(0, () => this.#flush())
  }

  #flush(): void {
    if (this.#ready.length === 0) return
    const answers = this.#ready
    this.#ready = []
    this.#send(answers)
  }

  #send(answers: PoolAnswerMessage[]): void {
    const at = this.#parts.process.monotonic()
    this.#sent = this.#sent.filter((sent) => sent.at > at - KEPT_MS)
    this.#sent.push({ at, answers })
    this.#parts.connection.publish('answer.many', answers)
  }

  #sendAgain(): void {
    this.#flush()
    const since = this.#parts.process.monotonic() - KEPT_MS
    for (const { at, answers } of this.#sent.splice(0)) if (at > since) this.#send(answers)
  }

  #said(): SaidRunning {
    const now = this.#parts.process.monotonic()
    const runs: SaidRunning['runs'][number][] = []
    for (const { task, attempt, startedAt, answered } of this.#runs.values())
      if (!answered)
        runs.push({ taskId: task.task_id, attempt, ageMs: startedAt === null ? 0 : now - startedAt })
    return { runs }
  }

  /** After it stood still or was cut off: which of its runs nobody waits for. */
  #askWanted(tries = 0): void {
    const { runs } = this.#said()
    if (!this.#isWorker || runs.length === 0 || tries === WANTED_TRIES) return
    const { connection, spec } = this.#parts
    connection.request(
      'own.wanted',
      { pool: spec.name, runs },
      WANTED_MS,
      (reply: Reply<{ taskId: string; attempt: number }[]>) => {
        if (reply.kind !== 'reply') {
          this.#askWanted(tries + 1)
          return
        }
        for (const { taskId, attempt } of reply.value) {
          const key = keyOf(taskId, attempt)
          const run = this.#runs.get(key)
          if (run) this.#stop(key, run, 'cancelled')
        }
      },
    )
  }
}
