// Every task without a stored result, by its id. The tasks of a batch are named `<batch>-<index>` and lie in the batch at that
// index: of what comes of one batch together, only the first has to be looked for. A task that is alone has its batch's id. Any
// other is in a map.
import type { SlotMap } from '@poolmesh/types'
import type { Batch, Entry } from './records.ts'

const [DASH, ZERO, NINE] = [0x2d, 0x30, 0x39] as const
/** Digits of an index. */
const MAX_DIGITS = 3

export class HeldTasks<Handle> {
  readonly #batches: Pick<SlotMap<string, Batch<Handle>>, 'get'>
  readonly #others = new Map<string, Entry>()
  /** Where one was found last. */
  #last: Batch<Handle> | null = null

  /** @param batches those that are held, by their ids */
  constructor(batches: Pick<SlotMap<string, Batch<Handle>>, 'get'>) {
    this.#batches = batches
  }

  find(taskId: string): Entry | undefined {
    const last = this.#last
    if (last) {
      const index = indexIn(last.id, taskId)
      if (index >= 0) return last.seats[index] ?? this.#other(taskId)
    }
    const dash = taskId.lastIndexOf('-')
    if (dash > 0 && taskId.length - dash - 1 <= MAX_DIGITS) {
      const batch = this.#batches.get(taskId.slice(0, dash))
      const index = batch ? indexIn(batch.id, taskId) : -1
      if (batch && index >= 0) {
        this.#last = batch
        return batch.seats[index] ?? this.#other(taskId)
      }
    }
    return this.#other(taskId)
  }

  #other(taskId: string): Entry | undefined {
    const own = this.#batches.get(taskId)?.own
    return own ?? (this.#others.size > 0 ? this.#others.get(taskId) : undefined)
  }

  /** No other task of its id may be held. Its batch must be. */
  add(entry: Entry): void {
    const { batch, task } = entry
    const index = indexIn(batch.id, task.task_id)
    if (index >= 0) batch.seats[index] = entry
    else if (task.task_id === batch.id) batch.own = entry
    else this.#others.set(task.task_id, entry)
  }

  /** Its result is stored, or somebody else has it now. */
  delete({ batch, task }: Entry): void {
    const index = indexIn(batch.id, task.task_id)
    if (index >= 0) batch.seats[index] = undefined
    else if (task.task_id === batch.id) batch.own = null
    else this.#others.delete(task.task_id)
  }

  /** All that is left of a batch. Call it before the batch is no longer held. */
  forget(batch: Batch<Handle>): void {
    batch.seats.length = 0
    batch.own = null
    if (this.#others.size > 0)
      for (const entry of batch.entries)
        if (this.#others.get(entry.task.task_id) === entry) this.#others.delete(entry.task.task_id)
    if (this.#last === batch) this.#last = null
  }
}

/** The index in the batch that an id says, or -1: `<batch>-<index>`, as `taskIdInBatch` of the types writes it. */
function indexIn(batchId: string, taskId: string): number {
  const start = batchId.length + 1
  const digits = taskId.length - start
  if (digits < 1 || digits > MAX_DIGITS) return -1
  if (taskId.charCodeAt(start - 1) !== DASH || !taskId.startsWith(batchId)) return -1
  if (digits > 1 && taskId.charCodeAt(start) === ZERO) return -1
  let index = 0
  for (let i = start; i < taskId.length; i++) {
    const code = taskId.charCodeAt(i)
    if (code < ZERO || code > NINE) return -1
    index = 10 * index + code - ZERO
  }
  return index
}
