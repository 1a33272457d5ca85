// Mirrors services/executor/src/index.ts, tenure.ts, presence.ts and drain.ts: one executor, the core's engine wired to the
// simulated broker.
import { PoolTable, TaskEngine } from '@poolmesh/core'
import { Adapter } from './adapter.ts'
import type { Directory, KnownPool } from './directory.ts'
import { type Flow, run, together } from './flow.ts'
import { Intake } from './intake.ts'
import { LeaseKeeper } from './lease.ts'
import { type Promised, Questions } from './questions.ts'
import { Review } from './review.ts'
import { RunLog } from './run-log.ts'
import { Storage } from './storage.ts'
import { type TakenLane, TakeUp, takeOverLanes } from './take-up.ts'
import { type Engine, type Held, isPlain, type SaidRunning, type Wiring } from './wiring.ts'

const TICK_MS = 25
const KEEP_MS = 20_000
const SECOND_MS = 1_000
const POOLS_MS = 1_000
const RECOVER_MS = 3_000
const PEER_GONE_MS = 3_500
const DRAIN_MS = 6_000
const DRAIN_LOOK_MS = 10
const WRITES_MS = 1_000
/** Of a broken variant: less than the grace. */
const FREED_EARLY_MS = 2_100

export interface ExecutorParts extends Omit<Wiring, 'engine' | 'mayAct'> {
  readonly directory: Directory
  readonly promised: Promised
  readonly windowTasks: number
  onTakeOver(): void
}

export class Executor {
  readonly #parts: ExecutorParts
  readonly #wiring: Wiring
  readonly #engine: Engine
  readonly #adapter: Adapter
  readonly #storage: Storage
  readonly #runLog: RunLog
  readonly #review: Review
  readonly #questions: Questions
  readonly #lease: LeaseKeeper
  readonly #intake: Intake
  readonly #pools = new Map<string, KnownPool>()
  readonly #peers = new Map<string, number>()
  #takeUp: TakeUp | null = null
  /** Grows with each tenure, so that what an earlier one left under way is known. */
  #tenures = 0
  #tenure: number | null = null
  #stopOwn: (() => void) | null = null
  #turn: (() => Flow<void> | null)[] = []
  #turning = false
  #pumping = false
  #cancellations: [pool: string, taskId: string][] = []
  #owed = false
  #stopping = false

  constructor(parts: ExecutorParts) {
    this.#parts = parts
    const { process, connection, random } = parts
    const wiring: Wiring = { ...parts, engine: () => this.#engine, mayAct: () => this.mayAct }
    this.#wiring = wiring
    this.#adapter = new Adapter(wiring)
    this.#storage = new Storage(wiring)
    this.#runLog = new RunLog(wiring)
    this.#review = new Review(wiring, this.#adapter)
    this.#engine = this.#makeEngine(random.next)
    this.#questions = new Questions(wiring, parts.promised)
    this.#follow()
    this.#presence()
    this.#lease = new LeaseKeeper({
      id: parts.id,
      process,
      connection,
      isBehind: (holder) => this.#runLog.isBehind(holder),
      onTaken: () => this.#inTurn(() => this.#takeOver()),
      onLost: () => this.#inTurn(() => this.#letGo()),
    })
    this.#intake = new Intake(wiring)
    this.#timers()
    connection.onDown = () => this.#lease.down()
    connection.onUp = () => this.#reconnected()
  }

  get mayAct(): boolean {
    if (this.#tenure === null) return false
    return this.#parts.variant.ignoresLease === true || this.#lease.mayAct
  }

  #makeEngine(random: () => number): Engine {
    const { oracle, process, variant, windowTasks } = this.#parts
    const log = (run: Parameters<RunLog['began']>[0]): void => {
      if (isPlain(run.pool.descriptor)) this.#runLog.began(run)
    }
    return new TaskEngine<Held>(
      new PoolTable(),
      {
        dispatch: (run) => {
          const { task, batch } = run.entry
          const { origin } = (batch.handle as Held).delivery.message
          oracle.dispatched(run.pool.name, task.task_id, run.attempt, origin)
          log(run)
          this.#adapter.add(run)
        },
        adopted: log,
        freed: (run) => this.#runLog.freed(run),
        cancel: (pool, taskId) => {
          oracle.abandoned(pool, taskId)
          if (variant.ignoresLease || this.#lease.mayAct) this.#adapter.cancel(pool, taskId)
          else this.#cancellations.push([pool, taskId])
          if (variant.freesEarly) process.after(FREED_EARLY_MS, () => this.#engine.idle(pool))
        },
        append: (batch, results) => this.#storage.append(batch, results),
        close: (batch) => {
          if (!variant.acksEarly) this.#storage.close(batch)
        },
        park: (batch, tasks, key, wakeAt) => this.#storage.park(batch, tasks, key, wakeAt),
        retrieve: (key, atMost) => this.#storage.retrieve(key, atMost),
        report: () => {},
        schedule: () => this.#schedule(),
      },
      { windowTasks, windowBytes: 1e9, now: process.wall, random },
    )
  }

  #schedule(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#parts.process.after(0, () => {
      this.#pumping = false
      this.#owed = this.#stopping || !this.mayAct
      if (this.#owed) return
      this.#engine.pump()
      this.#runLog.tell()
      this.#adapter.flush()
      this.#takeUp?.nudge()
    })
  }

  #timers(): void {
    const { process, connection } = this.#parts
    process.every(TICK_MS, () => {
      if (!this.mayAct) return
      this.#engine.tick()
      for (const [pool, taskId] of this.#cancellations) this.#adapter.cancel(pool, taskId)
      this.#cancellations = []
      if (this.#owed) this.#schedule()
      this.#takeUp?.nudge()
    })
    process.every(KEEP_MS, () => {
      for (const { handle } of this.#engine.batches()) {
        const { message, consumer } = handle.delivery
        connection.say(() => connection.broker.consumers.get(consumer)?.working(message.sequence))
      }
    })
    process.every(SECOND_MS, () => {
      if (this.mayAct) this.#runLog.write()
    })
  }

  #reconnected(): void {
    this.#lease.up()
    this.#storage.doubt()
    if (this.#engine.recovering && this.#tenure !== null) this.#anew(this.#tenure)
    this.#takeUp?.reset()
    this.#intake.reset()
    this.#review.reconnected()
    if (this.#tenure === null) this.#runLog.doubt()
    else this.#runLog.doubtOwn()
    this.#follow()
  }

  // Mirrors pools.ts

  #follow(): void {
    const { connection, directory } = this.#parts
    connection.say(() => directory.follow(connection, (pool) => this.#pool(pool)))
  }

  #pool(pool: KnownPool): void {
    const { name } = pool.descriptor
    const { table, suspensions } = this.#engine
    const before = this.#pools.get(name)
    this.#pools.set(name, pool)
    const isNew = before?.registration !== pool.registration
    if (isNew) {
      table.upsert(pool.descriptor)
      suspensions.clear(name)
    }
    const known = table.get(name)?.health
    table.setHealth(name, pool.health)
    if (pool.health === 'unavailable' && known !== 'unavailable') this.#engine.poolLost(name)
    if (pool.health !== 'unavailable' && known === 'unavailable') suspensions.clear(name)
    if (!before || !isNew || before.instance === pool.instance) return
    this.#runLog.replaced(name)
    this.#review.replaced(pool.descriptor)
  }

  #presence(): void {
    const { id, process, connection } = this.#parts
    connection.subscribe<{ name: string; workers: number; queue: number }>('heartbeats', (beat) => {
      if (beat.workers === 0) this.#engine.idle(beat.name)
      this.#engine.table.heartbeat(beat.name, beat.workers, beat.queue)
    })
    connection.subscribe<{ peer: string; following: string | null; acting: boolean }>('peers', (peer) => {
      if (peer.peer === id) return
      this.#peers.set(peer.peer, process.monotonic())
      if (!peer.acting && peer.following !== id && this.mayAct) this.#runLog.tellAll()
    })
    const announce = (): void =>
      connection.publish('peers', { peer: id, following: this.#runLog.following, acting: this.mayAct })
    announce()
    process.every(SECOND_MS, announce)
  }

  #hasPeers(): boolean {
    const now = this.#parts.process.monotonic()
    for (const heard of this.#peers.values()) if (now - heard <= PEER_GONE_MS) return true
    return false
  }

  // Taking over and letting go, one after the other

  #inTurn(what: () => Flow<void> | null): void {
    this.#turn.push(what)
    if (this.#turning) return
    this.#turning = true
    const next = (): void => {
      const what = this.#turn.shift()
      if (!what) {
        this.#turning = false
        return
      }
      const flow = what()
      if (flow) run(flow, next)
      else next()
    }
    next()
  }

  #letGo(): null {
    this.#cancellations = []
    if (!this.#parts.variant.ignoresLease) this.#end()
    return null
  }

  #end(): void {
    this.#stopOwn?.()
    this.#stopOwn = null
    if (this.#tenure === null) return
    this.#tenure = null
    this.#takeUp?.dispose()
    this.#takeUp = null
    this.#engine.letGo()
    this.#runLog.reset()
    this.#adapter.standBy()
  }

  *#takeOver(): Flow<void> {
    const { process, oracle, variant, onTakeOver } = this.#parts
    const engine = this.#engine
    if (this.#tenure !== null) return
    onTakeOver()
    const tenure = ++this.#tenures
    this.#stopOwn = this.#questions.answerForOwn()
    engine.recover()
    yield* this.#adapter.act()
    const found = {
      lanes: null as TakenLane[] | null,
      running: new Map<string, SaidRunning['runs']>(),
      recalled: true,
    }
    const wiring = this.#wiring
    const adapter = this.#adapter
    const runLog = this.#runLog
    const token = `${this.#parts.id}-${tenure}`
    yield* together(
      (function* (): Flow<void> {
        found.lanes = yield* takeOverLanes(wiring, token)
      })(),
      (function* (): Flow<void> {
        if (!variant.skipsAdoption) found.recalled = yield* runLog.recall()
      })(),
    )
    if (found.lanes === null || !found.recalled) {
      this.#failed()
      return
    }
    const pools = variant.skipsAdoption ? [] : [...engine.table.values()].map(({ descriptor }) => descriptor)
    found.running = yield* adapter.running(pools, POOLS_MS)
    oracle.asked(
      new Set(
        variant.skipsAdoption ? [...engine.table.values()].map(({ name }) => name) : found.running.keys(),
      ),
    )
    for (const [pool, runs] of found.running)
      for (const { taskId, attempt, ageMs } of runs)
        engine.adoption.run(taskId, { pool, attempt, startedAt: process.wall() - ageMs, certain: true })
    this.#tenure = tenure
    let isRecovered = false
    const recovered = (): void => {
      if (isRecovered || this.#tenure !== tenure) return
      isRecovered = true
      engine.recovered()
      runLog.recovered()
      this.#review.recovered()
    }
    process.after(RECOVER_MS, recovered)
    this.#takeUp = new TakeUp(wiring, found.lanes, recovered, () => this.#anew(tenure))
    runLog.tellAll()
    this.#schedule()
  }

  /** All is taken over once more, the lease being ours. */
  #anew(tenure: number): void {
    this.#inTurn(() => {
      if (this.#tenure !== tenure || !this.#lease.holds) return null
      this.#end()
      return this.#takeOver()
    })
  }

  /** The tasks could not be taken over: the lease is of no use without them, and is tried again. */
  #failed(): void {
    this.#engine.letGo()
    this.#stopOwn?.()
    this.#stopOwn = null
    this.#runLog.reset()
    this.#adapter.standBy()
    this.#parts.process.after(SECOND_MS, () => {
      if (!this.#stopping && this.#tenure === null && this.#lease.holds) this.#inTurn(() => this.#takeOver())
    })
  }

  /** SIGTERM. Ends the process when nothing is left to do. */
  stop(): void {
    run(this.#drain(), () => this.#parts.process.kill())
  }

  *#drain(): Flow<void> {
    const { process, connection } = this.#parts
    this.#stopping = true
    this.#intake.stop()
    this.#takeUp?.stop()
    const wait = function* (isOver: () => boolean, ms: number): Flow<void> {
      const end = process.monotonic() + ms
      while (!isOver() && process.monotonic() < end)
        yield (resume) => process.after(DRAIN_LOOK_MS, () => resume(undefined))
    }
    yield* wait(() => this.#engine.running === 0 || this.#hasPeers(), DRAIN_MS)
    yield* wait(() => ![...this.#engine.batches()].some((batch) => batch.writing.length > 0), WRITES_MS)
    if (this.mayAct) this.#runLog.tellAll()
    this.#end()
    yield* this.#lease.release()
    yield (resume) => connection.flush(() => resume(undefined))
  }
}
