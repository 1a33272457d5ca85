/** Events that one reader takes at its own pace. Bounded: a reader who is too slow misses the oldest. */
export class EventStream<Event> implements AsyncIterable<Event> {
  readonly #queue: Event[] = []
  readonly #capacity: number
  readonly #onClose: () => void
  #waiting: PromiseWithResolvers<IteratorResult<Event>>[] = []
  #ended = false
  #error: unknown
  /** Events that the reader missed. */
  missed = 0

  constructor(options: { capacity: number; onClose?: () => void }) {
    this.#capacity = options.capacity
    this.#onClose = options.onClose ?? (() => {})
  }

  push(event: Event): void {
    if (this.#ended) return
    const reader = this.#waiting.shift()
    if (reader) reader.resolve({ value: event, done: false })
    else if (this.#queue.push(event) > this.#capacity) {
      this.#queue.shift()
      this.missed++
    }
  }

  /** The reader still gets what is queued, then the end, or the error once. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    for (const reader of this.#waiting.splice(0)) this.#finish(reader)
    this.#onClose()
  }

  #finish(reader: PromiseWithResolvers<IteratorResult<Event>>): void {
    const error = this.#error
    this.#error = undefined
    if (error === undefined) reader.resolve({ value: undefined, done: true })
    else reader.reject(error)
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return {
      next: () => {
        const reader = Promise.withResolvers<IteratorResult<Event>>()
        const event = this.#queue.shift()
        if (event !== undefined) reader.resolve({ value: event, done: false })
        else if (this.#ended) this.#finish(reader)
        else this.#waiting.push(reader)
        return reader.promise
      },
      return: async () => {
        this.#queue.length = 0
        this.end()
        return { value: undefined, done: true }
      },
    }
  }
}
