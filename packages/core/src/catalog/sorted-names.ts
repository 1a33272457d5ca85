// Names in order, changed and walked while there are 100,000 of them: a list of short sorted arrays. Adding and taking
// out moves at most one such array, and a page starts at a name without anything being sorted.

/** Names in one array; it is split in two beyond that. Small enough to be moved in well under a microsecond. */
const MAX_CHUNK = 512

/** A set of strings in code unit order. */
export class SortedNames {
  readonly #chunks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  has(name: string): boolean {
    const chunk = this.#chunks[this.#chunkOf(name)]
    return chunk !== undefined && chunk[firstNotBelow(chunk, name)] === name
  }

  /** False: it was there already. */
  add(name: string): boolean {
    const index = this.#chunkOf(name)
    const chunk = this.#chunks[index]
    if (chunk === undefined) {
      this.#chunks.push([name])
      this.#size++
      return true
    }
    const at = firstNotBelow(chunk, name)
    if (chunk[at] === name) return false
    chunk.splice(at, 0, name)
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(index + 1, 0, chunk.splice(MAX_CHUNK / 2))
    this.#size++
    return true
  }

  /** False: it was not there. */
  delete(name: string): boolean {
    const index = this.#chunkOf(name)
    const chunk = this.#chunks[index]
    if (chunk === undefined) return false
    const at = firstNotBelow(chunk, name)
    if (chunk[at] !== name) return false
    chunk.splice(at, 1)
    this.#size--
    if (chunk.length === 0) this.#chunks.splice(index, 1)
    else this.#joinSmall(index)
    return true
  }

  /** In order, those after `name`; all of them with null. The set must not be changed while it is walked. */
  *after(name: string | null): Generator<string, void, undefined> {
    let index = name === null ? 0 : this.#chunkOf(name)
    let at = 0
    if (name !== null) {
      const chunk = this.#chunks[index] ?? []
      at = firstNotBelow(chunk, name)
      if (chunk[at] === name) at++
    }
    for (; index < this.#chunks.length; index++, at = 0) {
      const chunk = this.#chunks[index]!
      for (; at < chunk.length; at++) yield chunk[at]!
    }
  }

  /** The array that has the name, or where it belongs: the last one that does not begin behind it. */
  #chunkOf(name: string): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#chunks[middle]![0]! <= name) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Many small arrays after many deletions would make a long list of them: two neighbours that are small are joined. */
  #joinSmall(index: number): void {
    for (const left of [index - 1, index]) {
      const first = this.#chunks[left]
      const second = this.#chunks[left + 1]
      if (first === undefined || second === undefined || first.length + second.length > MAX_CHUNK / 2)
        continue
      first.push(...second)
      this.#chunks.splice(left + 1, 1)
      return
    }
  }
}

function firstNotBelow(chunk: readonly string[], name: string): number {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (chunk[middle]! < name) low = middle + 1
    else high = middle
  }
  return low
}
