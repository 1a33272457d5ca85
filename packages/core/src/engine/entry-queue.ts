// The entries of one signature in one lane, in the order in which they are to run. Nearly all of them come in that order: they
// stand in a line, where putting in and taking out costs nothing that grows. The others stand in a heap beside it: tasks that
// wait again, and those of a higher priority than one that came before.
import { IntrusiveHeap } from './heap.ts'
import type { Entry } from './records.ts'

/** Higher priority first, then first in first out. */
export const entryBefore = (a: Entry, b: Entry): boolean =>
  a.task.priority !== b.task.priority ? a.task.priority > b.task.priority : a.order < b.order

/** From there on an entry's `heapIndex` is its place in the line. */
const LINE = 2 ** 30

export class EntryQueue {
  #line: (Entry | undefined)[] = []
  /** Before it the line is empty; at it there is an entry, unless it is the end. */
  #first = 0
  /** Entries in the line; others have left it since. */
  #inLine = 0
  readonly #heap = new IntrusiveHeap<Entry>(entryBefore)

  get size(): number {
    return this.#inLine + this.#heap.size
  }

  push(entry: Entry): void {
    const last = this.#line.at(-1)
    if (last && !entryBefore(last, entry)) {
      this.#heap.push(entry)
      return
    }
    entry.heapIndex = LINE + this.#line.push(entry) - 1
    this.#inLine++
  }

  peek(): Entry | undefined {
    const first = this.#line[this.#first]
    const other = this.#heap.peek()
    if (!first || !other) return first ?? other
    return entryBefore(other, first) ? other : first
  }

  remove(entry: Entry): void {
    if (entry.heapIndex < LINE) {
      this.#heap.remove(entry)
      return
    }
    this.#line[entry.heapIndex - LINE] = undefined
    entry.heapIndex = -1
    this.#inLine--
    this.#tidy()
  }

  /** Keeps an entry at both ends, and the gaps fewer than the entries. */
  #tidy(): void {
    if (this.#inLine === 0) {
      this.#line = []
      this.#first = 0
      return
    }
    while (this.#line[this.#first] === undefined) this.#first++
    while (this.#line.at(-1) === undefined) this.#line.pop()
    if (this.#line.length <= 2 * this.#inLine + 1_000) return
    this.#line = this.#line.filter((entry) => entry !== undefined)
    this.#first = 0
    for (const [i, entry] of this.#line.entries()) (entry as Entry).heapIndex = LINE + i
  }

  *values(): IterableIterator<Entry> {
    for (let i = this.#first; i < this.#line.length; i++) {
      const entry = this.#line[i]
      if (entry) yield entry
    }
    yield* this.#heap.values()
  }
}
