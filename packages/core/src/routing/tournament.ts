// A tournament tree: the leaves are items, every node holds the better one of its two children, the root is the best.
//
// - An item that changed is played again along its path only, O(log n), and no further than where it neither won nor wins.
// - The tree compares items as they are now, not as they were. So several items may have changed before the first is
//   played again: once each of them was, every node is right, since a node is played after the last change below it.
//   That is what lets a tree collect changes and look at them when it is asked, which a binary heap cannot.

const NONE = -1

export abstract class Tournament<T extends object> {
  protected readonly items: (T | undefined)[] = []
  /** Number of leaves: a power of two. */
  #width = 1
  /** The winning leaf of each inner node, from 1; node n has the children 2n and 2n+1, and leaves follow the nodes. */
  #winners = new Int32Array(0)
  readonly #vacant: number[] = []
  #size = 0

  /** Whether the item at leaf `a` is better than the one at leaf `b`; a strict total order. */
  protected abstract beats(a: number, b: number): boolean

  get size(): number {
    return this.#size
  }

  /** The leaf of the best item, or -1. */
  protected get bestLeaf(): number {
    return this.#winnerAt(1)
  }

  /** Puts an item in and returns its leaf, which stays its own until it is taken out. */
  protected insert(item: T): number {
    const leaf = this.place(item)
    this.seated(leaf)
    return leaf
  }

  /** Plays an item that was placed. */
  protected seated(leaf: number): void {
    if (this.#winners.length < this.#width && this.#width > 1) this.rebuild()
    else this.replay(leaf)
  }

  /** Like `insert` for many: nothing is played until `rebuild`. */
  protected place(item: T): number {
    const leaf = this.#vacant.pop() ?? this.items.length
    this.items[leaf] = item
    this.#size++
    while (this.#width < this.items.length) this.#width *= 2
    return leaf
  }

  protected takeOut(leaf: number): void {
    this.vacate(leaf)
    this.replay(leaf)
  }

  /** Like `takeOut` for many: nothing is played until `rebuild`. */
  protected vacate(leaf: number): void {
    this.items[leaf] = undefined
    this.#vacant.push(leaf)
    this.#size--
  }

  /** Plays all of it: O(n). */
  protected rebuild(): void {
    if (this.#winners.length !== this.#width && this.#width > 1) this.#winners = new Int32Array(this.#width)
    for (let node = this.#width - 1; node >= 1; node--) this.#winners[node] = this.#play(node)
  }

  /** To be called for each leaf whose item changed. */
  protected replay(leaf: number): void {
    for (let node = (leaf + this.#width) >> 1; node >= 1; node >>= 1) {
      const winner = this.#play(node)
      if (winner === this.#winners[node] && winner !== leaf) return
      this.#winners[node] = winner
    }
  }

  /**
   * The best of what `take` gives for leaves, where `accepts` says that a winner will do as it is. Looks only below
   * nodes whose winner is not accepted, so it costs O(log n) for each of those.
   */
  protected search<R>(
    accepts: (leaf: number) => boolean,
    take: (leaf: number) => R | undefined,
    better: (a: R, b: R) => boolean,
  ): R | undefined {
    const visit = (node: number): R | undefined => {
      const winner = this.#winnerAt(node)
      if (winner === NONE) return undefined
      if (node >= this.#width || accepts(winner)) return take(winner)
      const left = visit(2 * node)
      const right = visit(2 * node + 1)
      if (left === undefined || right === undefined) return left ?? right
      return better(right, left) ? right : left
    }
    return visit(1)
  }

  #winnerAt(node: number): number {
    if (node < this.#width) return this.#winners[node] as number
    const leaf = node - this.#width
    return this.items[leaf] === undefined ? NONE : leaf
  }

  #play(node: number): number {
    const left = this.#winnerAt(2 * node)
    const right = this.#winnerAt(2 * node + 1)
    if (left === NONE) return right
    if (right === NONE) return left
    return this.beats(right, left) ? right : left
  }
}
