// Tasks that no pool can take now must not keep the window full, or what stands behind them in the stream is never seen.
// When a lane's window is full of them, they are stored away under their signature; a pool that fits brings them back.
//
// Of one signature nothing is brought back while anything is being stored away: a batch whose message is not acknowledged yet
// would not be taken into its lane a second time, and then both copies would go.
import { type DistributedTask, LANES, type PriorityLane } from '@poolmesh/types'
import type { PoolState, Requirements } from '../routing/index.ts'
import type { EnginePorts, TaskEngine } from './engine.ts'
import { laneIndex } from './lanes.ts'
import type { Batch, Entry } from './records.ts'
import type { Signature } from './waiting.ts'

/** Fewer tasks of a signature than this in memory: more are brought back when a pool fits. */
const LOW_MARK = 256
/** Batches brought back in one go. */
const CHUNK = 512

interface Parked {
  readonly key: string
  readonly requirements: Requirements
  retrieving: boolean
  /** Batches on their way into storage. */
  storing: number
  /** Nothing was found last time; only new parking makes it worth another look. */
  empty: boolean
}

export class Parking<Handle> {
  /** A `not_before` that is nearer than this waits in memory. */
  readonly leastDelayMs = 5_000
  readonly #engine: TaskEngine<Handle>
  readonly #ports: EnginePorts<Handle>
  readonly #parked = new Map<string, Parked>()

  constructor(engine: TaskEngine<Handle>, ports: EnginePorts<Handle>) {
    this.#engine = engine
    this.#ports = ports
  }

  /** Signatures that have parked tasks. */
  get size(): number {
    return this.#parked.size
  }

  /** Says that parked tasks of a signature exist: found at the start, or parked by another executor. */
  known(key: string, requirements: Requirements): void {
    const parked = this.#parked.get(key)
    if (parked) parked.empty = false
    else this.#parked.set(key, { key, requirements, retrieving: false, storing: 0, empty: false })
    this.#consider(this.#parked.get(key) as Parked)
  }

  /**
   * Called when a lane's window is full. Where a free pool has no use for anything in it, or part of it fits no pool at
   * all, that part is stored away, down to half the window, but a few of each signature stay to be started at once.
   */
  relieve(lane: PriorityLane): void {
    const { table, waiting } = this.#engine
    const index = laneIndex(lane)
    if (waiting.isReady(index)) return
    const groups = [...waiting.signatures()].filter(
      (signature) => (signature.queues[index]?.entries.size ?? 0) > 0,
    )
    const idle = table.hasFreeSlot()
    const stuck = groups
      .map((signature) => ({ signature, fit: table.anyFits(signature.requirements) }))
      .filter(({ fit }) => fit === 'none' || idle)
      .sort(
        (a, b) =>
          Number(b.fit === 'none') - Number(a.fit === 'none') || b.signature.waiting - a.signature.waiting,
      )
    let excess = Math.ceil(waiting.sizeOf(index) / 2)
    for (const { signature } of stuck) {
      if (excess <= 0) return
      excess -= this.#parkSome(signature, index, excess)
    }
  }

  #parkSome(signature: Signature, lane: number, atMost: number): number {
    if (this.#parked.get(signature.key)?.retrieving) return 0
    const entries = [...(signature.queues[lane]?.entries.values() ?? [])].sort((a, b) => b.order - a.order)
    const most = Math.min(atMost, entries.length - Math.min(LOW_MARK, Math.floor(entries.length / 2)))
    let count = 0
    for (const entry of entries) {
      if (count >= most) break
      const batch = entry.batch as Batch<Handle>
      if (batch.phase !== 'held' || !canPark(batch)) continue
      const open = batch.entries.filter((other) => other.state !== 'settled')
      const wakeAt = Math.min(...open.map((other) => other.waitingSince + other.task.queue_timeout * 1000))
      count += this.park(batch, sameSignature(open) ? signature : null, wakeAt)
    }
    return count
  }

  /** @returns how many tasks are stored away */
  park(batch: Batch<Handle>, signature: Signature | null, wakeAt: number): number {
    const tasks = openTasks(batch)
    for (const entry of batch.entries) if (entry.state === 'waiting') this.#engine.waiting.remove(entry)
    batch.phase = 'parking'
    if (signature && !this.#parked.has(signature.key))
      this.#parked.set(signature.key, {
        key: signature.key,
        requirements: signature.requirements,
        retrieving: false,
        storing: 0,
        empty: false,
      })
    const parked = signature && this.#parked.get(signature.key)
    if (parked) parked.storing++
    this.#ports.park(batch, tasks, signature?.key ?? null, wakeAt)
    return tasks.length
  }

  /** The answer to `park`: the batch is let go of, or goes on as before. */
  parked(batch: Batch<Handle>, signatureKey: string | null, ok: boolean): void {
    const parked = signatureKey === null ? undefined : this.#parked.get(signatureKey)
    // Let go of meanwhile: then nothing is remembered of it, nor is it counted.
    if (batch.phase !== 'parking') return
    if (parked) parked.storing--
    // What ended meanwhile (a cancellation) is written now; the stored copy then finds its result and ends there.
    if (ok && batch.ready.length === 0) {
      this.#engine.counters.parked++
      this.#engine.forget(batch)
      this.#ports.close(batch)
      if (parked) parked.empty = false
    } else {
      batch.phase = 'held'
      for (const entry of batch.entries) if (entry.state === 'waiting') this.#engine.waiting.add(entry)
      this.#engine.rewrite(batch)
    }
    if (parked) this.#consider(parked)
  }

  /**
   * The answer to `retrieve`: so many batches are on their way back into their lanes.
   * @param count 0: none is parked any more; null: some are there, or nobody knows, and none comes back now
   */
  retrieved(signatureKey: string, count: number | null): void {
    const parked = this.#parked.get(signatureKey)
    if (!parked) return
    parked.retrieving = false
    this.#engine.counters.retrieved += count ?? 0
    if (count === 0) {
      // Nothing under way and nothing found: it is not worth remembering.
      this.#parked.delete(signatureKey)
      return
    }
    this.#consider(parked)
  }

  letGo(): void {
    this.#parked.clear()
  }

  /** A pool can take work. */
  wake(pool: PoolState): void {
    if (this.#parked.size === 0) return
    for (const parked of this.#parked.values())
      if (this.#engine.table.fits(pool, parked.requirements)) this.#consider(parked)
  }

  #consider(parked: Parked): void {
    if (parked.retrieving || parked.storing > 0 || parked.empty) return
    const { table, waiting } = this.#engine
    if (table.anyFits(parked.requirements) === 'none') return
    if (waiting.sizeUnder(parked.key) >= LOW_MARK) return
    if (LANES.every((lane) => this.#engine.room(lane) === 0)) return
    parked.retrieving = true
    this.#ports.retrieve(parked.key, CHUNK)
  }
}

const openTasks = (batch: Batch<unknown>): DistributedTask[] =>
  batch.entries.filter((entry) => entry.state !== 'settled').map((entry) => entry.task)

/** Nothing of it runs, is being written, or has failed before: only then nothing is forgotten by storing it away. */
const canPark = (batch: Batch<unknown>): boolean =>
  batch.ready.length === 0 &&
  batch.writing.length === 0 &&
  batch.entries.every((entry) => entry.state === 'settled' || (entry.state === 'waiting' && entry.runs === 0))

const sameSignature = (entries: Entry[]): boolean =>
  entries.every((entry) => entry.signature === entries[0]?.signature)
