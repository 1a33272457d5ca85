// What the broker stores: submissions, results, registers. Since the last sync everything can be undone, for the case that the
// machine loses its power.
import { batchOfTaskId, type DistributedTask, type DistributedTaskResult } from '@poolmesh/types'

export interface StoredMessage {
  readonly sequence: number
  /** A lane, or what comes back into it; `parked` waits outside of the lanes. */
  readonly feed: string
  /** Of the batch. */
  readonly id: string
  readonly at: number
  readonly tasks: readonly DistributedTask[]
  readonly alone: boolean
  readonly submittedAt: number
  /** Its results are those of a branch: stored elsewhere, told to nobody but the distributors. */
  readonly parent: string | null
  /** Whoever submits it may have done so before: stored results are looked up. */
  readonly again: boolean
  /** The sequence with which it was first stored; parking and coming back keep it. 0: it is new. */
  readonly origin: number
  /** Where it was parked: under which signature and until when (virtual ms). */
  readonly parked: { readonly key: string | null; readonly lane: string; readonly wakeAt: number } | null
}

export type Outcome = { kind: 'stored'; sequence: number } | { kind: 'refused' }

/** Told of everything that changes, so that what must always hold is checked at once. */
export interface Witness {
  submitted(message: StoredMessage): void
  deleted(message: StoredMessage): void
  stored(subject: string, results: readonly DistributedTaskResult[]): void
  lost(subject: string, results: readonly DistributedTaskResult[]): void
  /** Something was undone; these messages are there now. */
  undone(messages: Iterable<StoredMessage>): void
}

interface Results {
  writes: { sequence: number; results: readonly DistributedTaskResult[] }[]
}

export class Store {
  readonly messages = new Map<number, StoredMessage>()
  readonly #bySubject = new Map<string, StoredMessage>()
  readonly #results = new Map<string, Results>()
  readonly #registers = new Map<string, { value: unknown; revision: number }>()
  readonly #witness: Witness
  readonly #undo: (() => void)[] = []
  #sequence = 0
  /** Whether an acknowledged write is on the disk: what is not may be undone. */
  readonly #syncsAlways: boolean

  constructor(witness: Witness, syncsAlways: boolean) {
    this.#witness = witness
    this.#syncsAlways = syncsAlways
  }

  #did(undo: () => void): void {
    if (!this.#syncsAlways) this.#undo.push(undo)
  }

  sync(): void {
    this.#undo.length = 0
  }

  get lastSequence(): number {
    return this.#sequence
  }

  /** Back to the last sync. */
  losePower(): void {
    if (this.#undo.length === 0) return
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) undo()
    const inOrder = [...this.messages].sort(([a], [b]) => a - b)
    this.messages.clear()
    for (const [sequence, message] of inOrder) this.messages.set(sequence, message)
    this.#witness.undone(this.messages.values())
  }

  // Submissions

  bySubject(feed: string, id: string): StoredMessage | undefined {
    return this.#bySubject.get(`${feed}.${id}`)
  }

  /** @param fresh refused where the subject has a message */
  add(message: Omit<StoredMessage, 'sequence'>, fresh: boolean): Outcome {
    const subject = `${message.feed}.${message.id}`
    const known = this.#bySubject.get(subject)
    if (known && fresh) return { kind: 'refused' }
    const sequence = this.#next()
    const stored = { ...message, sequence, origin: message.origin || sequence }
    this.#put(stored)
    this.#did(() => this.#take(stored))
    this.#witness.submitted(stored)
    if (known) this.delete(known.sequence)
    this.#bySubject.set(subject, stored)
    return { kind: 'stored', sequence: stored.sequence }
  }

  #put(message: StoredMessage): void {
    this.messages.set(message.sequence, message)
    this.#bySubject.set(`${message.feed}.${message.id}`, message)
  }

  #take(message: StoredMessage): void {
    this.messages.delete(message.sequence)
    const subject = `${message.feed}.${message.id}`
    if (this.#bySubject.get(subject) === message) this.#bySubject.delete(subject)
  }

  delete(sequence: number): boolean {
    const message = this.messages.get(sequence)
    if (!message) return false
    this.#take(message)
    this.#did(() => this.#put(message))
    this.#witness.deleted(message)
    return true
  }

  #next(): number {
    const sequence = ++this.#sequence
    this.#did(() => {
      this.#sequence = sequence - 1
    })
    return sequence
  }

  // Results

  /** @param expected the subject's last sequence; null: not compared */
  append(subject: string, results: readonly DistributedTaskResult[], expected: number | null): Outcome {
    const known = this.#results.get(subject) ?? { writes: [] }
    if (expected !== null && (known.writes.at(-1)?.sequence ?? 0) !== expected) return { kind: 'refused' }
    const sequence = this.#next()
    known.writes.push({ sequence, results })
    this.#results.set(subject, known)
    this.#did(() => {
      known.writes.pop()
      this.#witness.lost(subject, results)
    })
    this.#witness.stored(subject, results)
    return { kind: 'stored', sequence }
  }

  under(subject: string): { results: DistributedTaskResult[]; lastSequence: number } {
    const writes = this.#results.get(subject)?.writes ?? []
    return {
      results: writes.flatMap((write) => write.results),
      lastSequence: writes.at(-1)?.sequence ?? 0,
    }
  }

  /** Of any task: submitted alone, in a batch, or as a branch. */
  resultOf(taskId: string): DistributedTaskResult | undefined {
    for (const subject of [taskId, `branch.${taskId}`, batchOfTaskId(taskId)]) {
      const writes = subject === null ? [] : (this.#results.get(subject)?.writes ?? [])
      for (const { results } of writes)
        for (const result of results) if (result.task_id === taskId) return result
    }
    return undefined
  }

  /** The message that has the task now. */
  submissionOf(taskId: string): StoredMessage | undefined {
    for (const message of this.messages.values())
      if (message.tasks.some((task) => task.task_id === taskId)) return message
    return undefined
  }

  // Registers

  read(key: string): { value: unknown; revision: number } {
    return this.#registers.get(key) ?? { value: null, revision: 0 }
  }

  write(key: string, value: unknown, expected: number | null): Outcome {
    const known = this.#registers.get(key)
    if (expected !== null && (known?.revision ?? 0) !== expected) return { kind: 'refused' }
    const revision = this.#next()
    this.#registers.set(key, { value, revision })
    this.#did(() => {
      if (known) this.#registers.set(key, known)
      else this.#registers.delete(key)
    })
    return { kind: 'stored', sequence: revision }
  }
}
