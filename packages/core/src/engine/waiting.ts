// The tasks that wait for a pool, so that one that cannot run never stands before one that can: a queue for each
// signature (what a task requires) and lane; signatures that no pool can serve now are set aside until one can.
import { LANES } from '@poolmesh/types'
import { type PoolState, type Requirements, requirementsKey } from '../routing/index.ts'
import { type HeapItem, IntrusiveHeap } from './heap.ts'
import type { Entry } from './records.ts'

/** Entries of one signature in one lane; in the lane's heap while it is ready and not empty. */
interface SignatureQueue extends HeapItem {
  readonly signature: Signature
  readonly entries: IntrusiveHeap<Entry>
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
  /** Under which key it is woken. */
  readonly wakeKey: string
}

const ANY = '*'
const entryBefore = (a: Entry, b: Entry): boolean =>
  a.task.priority !== b.task.priority ? a.task.priority > b.task.priority : a.order < b.order
const queueBefore = (a: SignatureQueue, b: SignatureQueue): boolean =>
  entryBefore(a.entries.peek() as Entry, b.entries.peek() as Entry)

/** The key under which a pool's capacity wakes a signature: its pool, else one capability, else any pool. */
function wakeKeyOf(requirements: Requirements): string {
  if (requirements.pool !== null) return `pool ${requirements.pool}`
  const [first] = requirements.capabilities
  return first === undefined ? ANY : `capability ${first}`
}

export class WaitingTasks {
  readonly #signatures = new Map<string, Signature>()
  readonly #ready = LANES.map(() => new IntrusiveHeap<SignatureQueue>(queueBefore))
  readonly #blocked = new Map<string, Set<Signature>>()
  readonly #sizes = LANES.map(() => 0)

  /** The signature of a task, with one reference more; give it back with {@link release}. */
  signature(capabilities: readonly string[], pool: string | null): Signature {
    const requirements: Requirements = {
      capabilities: capabilities.length > 1 ? [...new Set(capabilities)].sort() : capabilities,
      pool,
    }
    const key = requirementsKey(requirements)
    const known = this.#signatures.get(key)
    if (known) {
      known.references++
      return known
    }
    const made: Signature = {
      key,
      requirements,
      queues: LANES.map(() => null),
      waiting: 0,
      references: 1,
      blocked: false,
      wakeKey: wakeKeyOf(requirements),
    }
    this.#signatures.set(key, made)
    return made
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
      queue = { signature, entries: new IntrusiveHeap(entryBefore), heapIndex: -1 }
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
    const group = this.#blocked.get(signature.wakeKey)
    if (group) group.add(signature)
    else this.#blocked.set(signature.wakeKey, new Set([signature]))
  }

  /** A pool can take work: whatever it might fit is asked again. */
  wake(pool: PoolState): void {
    this.#wakeGroup(`pool ${pool.name}`)
    for (const capability of pool.descriptor.capabilities) this.#wakeGroup(`capability ${capability}`)
    this.#wakeGroup(ANY)
  }

  #wakeGroup(key: string): void {
    const group = this.#blocked.get(key)
    if (!group) return
    this.#blocked.delete(key)
    for (const signature of group) {
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
    if (--signature.references > 0) return
    this.#signatures.delete(signature.key)
    if (!signature.blocked) return
    signature.blocked = false
    this.#blocked.get(signature.wakeKey)?.delete(signature)
  }
}
