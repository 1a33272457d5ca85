// Virtual time: what is to happen, in order; nothing else moves the clock.

interface Event {
  at: number
  order: number
  happen: () => void
}

const before = (a: Event, b: Event): boolean => (a.at !== b.at ? a.at < b.at : a.order < b.order)

export class Clock {
  /** Milliseconds of virtual time since the start. */
  now = 0
  /** Events so far. */
  steps = 0
  readonly #heap: Event[] = []
  #order = 0

  after(ms: number, happen: () => void): void {
    this.#push({ at: this.now + Math.max(0, ms), order: this.#order++, happen })
  }

  /** Lets the next event happen; false when it would be later than `until`. */
  step(until: number): boolean {
    const next = this.#heap[0]
    if (!next || next.at > until) return false
    this.#pop()
    this.now = next.at
    this.steps++
    next.happen()
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[i] = heap[parent] as Event
      i = parent
    }
    heap[i] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[i] = heap[child] as Event
      i = child
    }
    heap[i] = last
  }
}
