/** Bytes that may be held at the same time, by whoever shares it. */
export class Room {
  #held = 0
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  get held(): number {
    return this.#held
  }

  /** @returns false: there is no room for them, and none was taken */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#max) return false
    this.#held += bytes
    return true
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}
