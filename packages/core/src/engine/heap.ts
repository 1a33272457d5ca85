/** Where an item stands in its heap; -1 when in none. An item is in one such heap at a time. */
export interface HeapItem {
  heapIndex: number
}

/** A binary heap whose items know their place, so that any of them is moved or taken out in O(log n). */
export class IntrusiveHeap<T extends HeapItem> {
  readonly #items: T[] = []
  readonly #before: (a: T, b: T) => boolean

  /** @param before whether `a` comes out before `b` */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    item.heapIndex = this.#items.length
    this.#items.push(item)
    this.#up(item)
  }

  pop(): T | undefined {
    const first = this.#items[0]
    if (first) this.remove(first)
    return first
  }

  remove(item: T): void {
    const index = item.heapIndex
    const last = this.#items.pop()
    item.heapIndex = -1
    if (!last || last === item) return
    this.#items[index] = last
    last.heapIndex = index
    this.moved(last)
  }

  /** Call when an item's order has changed. */
  moved(item: T): void {
    this.#up(item)
    this.#down(item)
  }

  values(): IterableIterator<T> {
    return this.#items.values()
  }

  #up(item: T): void {
    let index = item.heapIndex
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#items[parentIndex] as T
      if (!this.#before(item, parent)) break
      this.#items[index] = parent
      parent.heapIndex = index
      index = parentIndex
    }
    this.#items[index] = item
    item.heapIndex = index
  }

  #down(item: T): void {
    const items = this.#items
    let index = item.heapIndex
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= items.length) break
      let child = items[childIndex] as T
      const right = items[childIndex + 1]
      if (right && this.#before(right, child)) {
        child = right
        childIndex++
      }
      if (!this.#before(child, item)) break
      items[index] = child
      child.heapIndex = index
      index = childIndex
    }
    items[index] = item
    item.heapIndex = index
  }
}
