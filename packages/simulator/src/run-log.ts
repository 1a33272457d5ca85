// Mirrors services/executor/src/run-log.ts: what runs in pools that cannot be asked, told to those who stand by and written
// down once a second.
import type { Past, Run } from '@poolmesh/core'
import { type Flow, until } from './flow.ts'
import type { Reply } from './network.ts'
import { keyOf, type Wiring } from './wiring.ts'

type Line = readonly [taskId: string, pool: string, attempt: number, startedAt: number, timeout: number]

interface Told {
  executor: string
  all: boolean
  began: Line[]
  freed: string[]
  doubtful: string[]
}

interface Written {
  runs: Line[]
  pasts: [taskId: string, past: Past][]
}

/** As it would be printed and read again. */
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const ENDED_MS = 5_000
const UNSEEN_RUNS = 3
const LEAST_AGE_MS = 500
const FOLLOWS_MS = 250
const READ_MS = 5_000
const RUNS_KEY = 'runs'

export class RunLog {
  readonly #wiring: Wiring
  /** Our own, while we dispatch; the dispatcher's, as we hear it, while we stand by. */
  readonly #runs = new Map<string, Line>()
  /** Runs whose answer may have been missed: their pool is another process by now, or the connection was cut meanwhile. */
  readonly #doubtful = new Set<string>()
  /** A predecessor's, until all that it had in flight has come in. */
  readonly #recalled = new Map<string, Line>()
  /** What was only written down of them, until then: it stays written down, but is told to nobody as if it was certain. */
  readonly #doubtfulBefore = new Map<string, Line>()
  #began: Line[] = []
  #freed: string[] = []
  readonly #ended = new Map<string, { attempt: number; at: number }>()
  #following: string | null = null
  #dirty = false
  /** Those that stand by are to be told anew. */
  #owesAll = false
  /** What others still say is of the past. */
  #dispatches = false

  constructor(wiring: Wiring) {
    this.#wiring = wiring
    wiring.connection.subscribe<Told>('runs', (told) => this.#hear(told))
  }

  // While we dispatch

  began({ entry, pool, attempt, startedAt }: Run): void {
    const { task_id, timeout } = entry.task
    const line: Line = [task_id, pool.name, attempt, startedAt, timeout]
    this.#runs.set(keyOf(task_id, attempt), line)
    this.#recalled.delete(keyOf(task_id, attempt))
    this.#doubtfulBefore.delete(keyOf(task_id, attempt))
    this.#began.push(line)
    this.#dirty = true
  }

  /** What a predecessor had in flight has come in: runs that no task asked for are nobody's. */
  recovered(): void {
    this.#freed.push(...this.#recalled.keys())
    for (const key of [...this.#recalled.keys(), ...this.#doubtfulBefore.keys()]) this.#doubtful.delete(key)
    this.#recalled.clear()
    this.#doubtfulBefore.clear()
    this.#owesAll = true
  }

  freed({ entry, attempt }: Run): void {
    const key = keyOf(entry.task.task_id, attempt)
    if (!this.#runs.delete(key)) return
    this.#doubtful.delete(key)
    this.#freed.push(key)
    this.#dirty = true
  }

  tell(): void {
    if (this.#owesAll) this.tellAll()
    if (this.#began.length === 0 && this.#freed.length === 0) return
    const told: Told = {
      executor: this.#wiring.id,
      all: false,
      began: this.#began,
      freed: this.#freed,
      doubtful: [],
    }
    this.#wiring.connection.publish('runs', told)
    this.#began = []
    this.#freed = []
  }

  tellAll(): void {
    this.#owesAll = false
    this.#began = []
    this.#freed = []
    const began = [...this.#recalled.values(), ...this.#runs.values()]
    const told: Told = {
      executor: this.#wiring.id,
      all: true,
      began,
      freed: [],
      doubtful: [...this.#doubtful, ...this.#recalled.keys()],
    }
    this.#wiring.connection.publish('runs', told)
  }

  /** Once a second. */
  write(): void {
    const { connection, engine, process } = this.#wiring
    const pasts = copy([...engine().pasts()])
    if (!this.#dirty && pasts.length === 0) return
    const old = process.wall() - LEAST_AGE_MS
    const before = new Map([...this.#doubtfulBefore, ...this.#recalled])
    const all = [...before.values(), ...this.#runs.values()]
    const runs = all.filter(([, , , startedAt]) => startedAt <= old)
    this.#dirty = pasts.length > 0 || runs.length < all.length || before.size > 0
    const written: Written = { runs, pasts }
    const { broker } = connection
    connection.call(
      () => broker.store.write(RUNS_KEY, written, null),
      READ_MS,
      (reply) => {
        if (reply.kind !== 'reply') this.#dirty = true
      },
    )
  }

  // While we stand by

  #hear({ executor, all, began, freed, doubtful }: Told): void {
    if (executor === this.#wiring.id || this.#dispatches) return
    if (all) {
      this.#follow(executor)
      this.#clear()
    }
    if (this.#following !== executor) return
    for (const line of began) this.#runs.set(keyOf(line[0], line[2]), line)
    const now = this.#wiring.process.monotonic()
    for (const key of freed) {
      this.#runs.delete(key)
      this.#doubtful.delete(key)
      const slash = key.lastIndexOf('/')
      const taskId = key.slice(0, slash)
      this.#ended.delete(taskId)
      this.#ended.set(taskId, { attempt: Number(key.slice(slash + 1)), at: now })
    }
    for (const [taskId, { at }] of this.#ended) {
      if (now - at < ENDED_MS) break
      this.#ended.delete(taskId)
    }
    for (const key of doubtful) this.#doubtful.add(key)
  }

  /** Our connection was cut: until it is looked into, whoever takes over must not take our word for what runs. */
  doubtOwn(): void {
    for (const key of [...this.#recalled.keys(), ...this.#runs.keys()]) this.#doubtful.add(key)
    this.#owesAll = true
  }

  /** Another process has that pool's name: its predecessor's runs may never be answered. */
  replaced(pool: string): void {
    for (const [key, line] of this.#runs) if (line[1] === pool) this.#doubtful.add(key)
  }

  #clear(): void {
    this.#runs.clear()
    this.#recalled.clear()
    this.#doubtfulBefore.clear()
    this.#doubtful.clear()
  }

  get following(): string | null {
    return this.#following
  }

  #unfollow: () => void = () => {}

  /** Whoever follows says so when asked. */
  #follow(executor: string | null): void {
    if (this.#following === executor) return
    this.#unfollow()
    this.#following = executor
    this.#unfollow =
      executor === null
        ? () => {}
        : this.#wiring.connection.subscribe(`follows.${executor}`, (_, respond) => respond(true))
  }

  /** Whether another that stands by knows that executor's runs, and we do not. */
  *isBehind(executor: string): Flow<boolean> {
    if (this.#following === executor) return false
    const reply = yield* until<Reply<unknown>>((resume) =>
      this.#wiring.connection.request(`follows.${executor}`, null, FOLLOWS_MS, resume),
    )
    return reply.kind === 'reply'
  }

  doubt(): void {
    this.#follow(null)
    this.#clear()
  }

  // Between the two

  /** @returns false where it cannot be read now */
  *recall(): Flow<boolean> {
    const { id, connection, engine, oracle } = this.#wiring
    const { adoption } = engine()
    const { broker } = connection
    const read = yield* until<Reply<{ value: unknown }>>((resume) =>
      connection.call(() => broker.store.read(RUNS_KEY), READ_MS, resume),
    )
    const written = (read.kind === 'reply' ? (read.value.value as Written | null) : null) ?? {
      runs: [],
      pasts: [],
    }
    const { runs, pasts } = copy(written)
    const known = new Set<string>()
    for (const [taskId, pool, attempt, startedAt, timeout] of runs) {
      known.add(keyOf(taskId, attempt))
      adoption.run(taskId, { pool, attempt, startedAt, timeout, certain: false })
    }
    for (const [taskId, past] of pasts) adoption.past(taskId, past)
    adoption.unseen = this.#following === null ? UNSEEN_RUNS : 0
    for (const [taskId, { attempt }] of this.#ended) adoption.seen(taskId, attempt)
    if (this.#following !== null)
      for (const [key, [taskId, pool, attempt, startedAt, timeout]] of this.#runs)
        adoption.run(taskId, { pool, attempt, startedAt, timeout, certain: !this.#doubtful.has(key) })
    const followed = this.#following === null ? [] : [...this.#runs]
    oracle.tookOver(id, this.#following, (taskId, attempt) => known.has(keyOf(taskId, attempt)))
    const doubtful = [...this.#doubtful]
    this.reset()
    for (const [key, line] of followed) this.#recalled.set(key, line)
    for (const line of runs) this.#doubtfulBefore.set(keyOf(line[0], line[2]), line)
    this.#dispatches = true
    for (const key of doubtful) this.#doubtful.add(key)
    for (const key of this.#doubtfulBefore.keys()) if (!this.#recalled.has(key)) this.#doubtful.add(key)
    return true
  }

  reset(): void {
    this.#clear()
    this.#began = []
    this.#freed = []
    this.#follow(null)
    this.#dirty = false
    this.#owesAll = false
    this.#dispatches = false
  }
}
