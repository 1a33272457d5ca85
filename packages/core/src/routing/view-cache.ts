import type { CapabilityGroup } from './capability-group.ts'

export interface View {
  readonly key: string
  /** What it takes in memory, in leaves. */
  readonly entries: number
  /** Set by the cache. */
  lastAsked: number
  groupCreated(group: CapabilityGroup): void
  groupRemoved(group: CapabilityGroup): void
  dispose(): void
}

/**
 * The views that are in use. Both their number and their leaves are bounded; the one asked longest ago goes first and is
 * built again, O(fitting groups), when it is wanted again.
 */
export class ViewCache {
  readonly #views = new Map<string, View>()
  readonly #maxViews: number
  readonly #maxEntries: number
  #asked = 0

  constructor(maxViews: number, maxEntries: number) {
    this.#maxViews = maxViews
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#views.size
  }

  get<V extends View>(key: string, build: () => V): V {
    let view = this.#views.get(key) as V | undefined
    if (!view) {
      view = build()
      this.#makeRoom(view.entries)
      this.#views.set(key, view)
    }
    view.lastAsked = ++this.#asked
    return view
  }

  groupCreated(group: CapabilityGroup): void {
    for (const view of this.#views.values()) view.groupCreated(group)
  }

  groupRemoved(group: CapabilityGroup): void {
    for (const view of this.#views.values()) view.groupRemoved(group)
  }

  #makeRoom(entries: number): void {
    let total = entries
    for (const view of this.#views.values()) total += view.entries
    while (this.#views.size > 0 && (this.#views.size >= this.#maxViews || total > this.#maxEntries)) {
      let oldest: View | undefined
      for (const view of this.#views.values()) if (!oldest || view.lastAsked < oldest.lastAsked) oldest = view
      if (!oldest) return
      this.#views.delete(oldest.key)
      oldest.dispose()
      total -= oldest.entries
    }
  }
}
