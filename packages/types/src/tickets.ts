/**
 * What waits for an answer, by a number that it is given: numbers grow by one, and answers come nearly in their order, so that it
 * takes an array and no hashing. It is as long as the distance from the oldest without an answer to the newest.
 */
export class Tickets<Value extends {}> {
  #waiting: (Value | undefined)[] = []
  /** The number of the first place. */
  #base = 0
  /** Places before it are empty. */
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns its number */
  add(value: Value): number {
    this.#size++
    return this.#base + this.#waiting.push(value) - 1
  }

  get(ticket: number): Value | undefined {
    return this.#waiting[ticket - this.#base]
  }

  /** @returns what waits under the number, which does so no longer */
  take(ticket: number): Value | undefined {
    const place = ticket - this.#base
    const value = this.#waiting[place]
    if (value === undefined) return undefined
    this.#waiting[place] = undefined
    this.#size--
    if (place === this.#head) this.#tidy()
    return value
  }

  /** All that waits, oldest first; nothing does any longer, and numbers go on where they were. */
  takeAll(): Value[] {
    const all = this.#waiting.filter((value) => value !== undefined)
    this.#base += this.#waiting.length
    this.#waiting = []
    this.#head = 0
    this.#size = 0
    return all
  }

  #tidy(): void {
    const { length } = this.#waiting
    while (this.#head < length && this.#waiting[this.#head] === undefined) this.#head++
    if (this.#head < 64 || this.#head < length / 2) return
    this.#waiting.splice(0, this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  /** Oldest first. */
  *entries(): IterableIterator<[ticket: number, value: Value]> {
    for (let ticket = this.#base + this.#head; ticket < this.#base + this.#waiting.length; ticket++) {
      const value = this.#waiting[ticket - this.#base]
      if (value !== undefined) yield [ticket, value]
    }
  }
}
