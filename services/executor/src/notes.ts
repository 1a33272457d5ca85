// Tells submitters of their stored results. What is stored in one turn of the event loop goes to a submitter in one message,
// where its subject says that it takes that: of tasks that were submitted each alone, it would be a message each.
import type { Publisher } from '@poolmesh/bus'
import { LINE_BREAK, NOTES_TOGETHER } from '@poolmesh/types'

/** Characters of a message, about. */
const MAX_LENGTH = 256 * 1024

export class Notes {
  readonly #publisher: Publisher
  /** By subject. */
  #open = new Map<string, string>()

  constructor(publisher: Publisher) {
    this.#publisher = publisher
  }

  /** @param written what is stored: a result, or an array of them */
  tell(subject: string, written: string): void {
    if (!subject.endsWith(NOTES_TOGETHER)) {
      this.#publisher.tell(subject, written)
      return
    }
    const results = written.startsWith('[') ? written.slice(1, -1) : written
    const before = this.#open.get(subject)
    // All that the broker confirmed in one piece of its stream is dealt with before this.
    if (this.#open.size === 0) queueMicrotask(() => this.#flush())
    if (before === undefined) this.#open.set(subject, results)
    else if (before.length + results.length > MAX_LENGTH) {
      this.#publisher.tell(subject, `[${before}]`)
      this.#open.set(subject, results)
    } else this.#open.set(subject, `${before}${LINE_BREAK}${results}`)
  }

  #flush(): void {
    const open = this.#open
    this.#open = new Map()
    for (const [subject, results] of open) this.#publisher.tell(subject, `[${results}]`)
  }
}
