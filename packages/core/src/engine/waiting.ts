// The tasks that wait for a pool, so that one that cannot run never stands before one that can: a queue for each
// signature (what a task requires) and lane; signatures that no pool can serve now are set aside until one can.
import { LANES } from '@poolmesh/types'
import { type PoolState, type Requirements, requirementsKey } from '../routing/index.ts'
import { addTo, removeFrom } from '../sets.ts'
import { EntryQueue, entryBefore } from './entry-queue.ts'
import { type HeapItem, IntrusiveHeap } from './heap.ts'
import type { Entry } from './records.ts'

/** Entries of one signature in one lane; in the lane's heap while it is ready and not empty. */
interface SignatureQueue extends HeapItem {
  readonly signature: Signature
  readonly entries: EntryQueue
}

/** All tasks with the same hard requirements: what can run one of them can run each. */
export interface Signature {
  readonly key: string
  readonly requirements: Requirements
  readonly queues: (SignatureQueue | null)[]
  /** Entries that wait in memory. */
  waiting: number
  /** Who still needs it: entries without an outcome, and the parking of its tasks. */
  references: number
  /** No pool could take one when last asked. */
  blocked: boolean
}

const queueBefore = (a: SignatureQueue, b: SignatureQueue): boolean =>
  entryBefore(a.entries.peek() as Entry, b.entries.peek() as Entry)

/** The signatures that are set aside, under what wakes them: their pool, else one of their capabilities, else any pool. */
class Blocked {
  readonly #byPool = new Map<string, Set<Signature>>()
  readonly #byCapability = new Map<string, Set<Signature>>()
  readonly #any = new Set<Signature>()
  #size = 0

  add(signature: Signature): void {
    this.#size++
    const { pool, capabilities } = signature.requirements
    const [first] = capabilities
    if (pool !== null) addTo(this.#byPool, pool, signature)
    else if (first !== undefined) addTo(this.#byCapability, first, signature)
    else this.#any.add(signature)
  }

  delete(signature: Signature): void {
    this.#size--
    const { pool, capabilities } = signature.requirements
    const [first] = capabilities
    if (pool !== null) removeFrom(this.#byPool, pool, signature)
    else if (first !== undefined) removeFrom(this.#byCapability, first, signature)
    else this.#any.delete(signature)
  }

  /** Takes out what the pool might serve. */
  take(pool: PoolState): Signature[] {
    if (this.#size === 0) return []
    const taken: Signature[] = [...(this.#byPool.get(pool.name) ?? []), ...this.#any]
    for (const capability of pool.descriptor.capabilities)
      taken.push(...(this.#byCapability.get(capability) ?? []))
    for (const signature of taken) this.delete(signature)
    return taken
  }
}

export class WaitingTasks {
  readonly #signatures = new Map<string, Signature>()
  readonly #ready = LANES.map(() => new IntrusiveHeap<SignatureQueue>(queueBefore))
  readonly #blocked = new Blocked()
  /** What was asked for last, kept though no task refers to it: tasks that come after one another require the same. */
  #last: Signature | null = null
  readonly #sizes = LANES.map(() => 0)

  /** The signature of a task, with one reference more; give it back with {@link release}. */
  signature(capabilities: readonly string[], pool: string | null): Signature {
    const last = this.#last
    if (last?.requirements.pool === pool && isSame(last.requirements.capabilities, capabilities)) {
      last.references++
      return last
    }
    const requirements: Requirements = {
      capabilities: capabilities.length > 1 ? [...new Set(capabilities)].sort() : capabilities,
      pool,
    }
    const key = requirementsKey(requirements)
    const known = this.#signatures.get(key)
    if (known) {
      known.references++
      this.#keep(known)
      return known
    }
    const made: Signature = {
      key,
      requirements,
      queues: LANES.map(() => null),
      waiting: 0,
      references: 1,
      blocked: false,
    }
    this.#signatures.set(key, made)
    this.#keep(made)
    return made
  }

  #keep(signature: Signature): void {
    const last = this.#last
    this.#last = signature
    if (last && last !== signature && last.references === 0) this.#forget(last)
  }

  sizeOf(lane: number): number {
    return this.#sizes[lane] as number
  }

  get size(): number {
    return this.#sizes.reduce((sum, n) => sum + n, 0)
  }

  sizeUnder(signatureKey: string): number {
    return this.#signatures.get(signatureKey)?.waiting ?? 0
  }

  signatures(): IterableIterator<Signature> {
    return this.#signatures.values()
  }

  isReady(lane: number): boolean {
    return (this.#ready[lane] as IntrusiveHeap<SignatureQueue>).size > 0
  }

  add(entry: Entry): void {
    const { signature, lane } = entry
    let queue = signature.queues[lane]
    if (!queue) {
      queue = { signature, entries: new EntryQueue(), heapIndex: -1 }
      signature.queues[lane] = queue
    }
    queue.entries.push(entry)
    signature.waiting++
    this.#sizes[lane] = (this.#sizes[lane] as number) + 1
    if (!signature.blocked) this.#place(queue, lane)
  }

  /** The entry of the lane that is due first among those that might run. */
  head(lane: number): Entry | undefined {
    return (this.#ready[lane] as IntrusiveHeap<SignatureQueue>).peek()?.entries.peek()
  }

  remove(entry: Entry): void {
    const { signature, lane } = entry
    const queue = signature.queues[lane]
    if (!queue || entry.heapIndex < 0) return
    queue.entries.remove(entry)
    signature.waiting--
    this.#sizes[lane] = (this.#sizes[lane] as number) - 1
    if (queue.heapIndex >= 0) this.#place(queue, lane)
  }

  /** Sets a signature aside: no pool can take one of its tasks now. */
  block(signature: Signature): void {
    if (signature.blocked) return
    signature.blocked = true
    for (const [lane, queue] of signature.queues.entries())
      if (queue && queue.heapIndex >= 0) (this.#ready[lane] as IntrusiveHeap<SignatureQueue>).remove(queue)
    this.#blocked.add(signature)
  }

  /** A pool can take work: whatever it might fit is asked again. */
  wake(pool: PoolState): void {
    for (const signature of this.#blocked.take(pool)) {
      signature.blocked = false
      for (const [lane, queue] of signature.queues.entries()) if (queue) this.#place(queue, lane)
    }
  }

  /** Puts a queue where it belongs in its lane's heap, or takes it out when it is empty. */
  #place(queue: SignatureQueue, lane: number): void {
    const ready = this.#ready[lane] as IntrusiveHeap<SignatureQueue>
    if (queue.entries.size === 0) {
      if (queue.heapIndex >= 0) ready.remove(queue)
    } else if (queue.heapIndex >= 0) ready.moved(queue)
    else ready.push(queue)
  }

  release(signature: Signature): void {
    if (--signature.references === 0 && signature !== this.#last) this.#forget(signature)
  }

  #forget(signature: Signature): void {
    this.#signatures.delete(signature.key)
    if (!signature.blocked) return
    signature.blocked = false
    this.#blocked.delete(signature)
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
