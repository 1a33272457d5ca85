// A full-text index in memory, bounded by number and by characters; what came first goes first.
import MiniSearch from 'minisearch'
import type { Found } from './destination.ts'

interface Limits {
  count: number
  characters: number
}

const LIMITS: Limits = { count: 20_000, characters: 16 * 1024 * 1024 }
/** Of one text: longer ones take milliseconds. */
const MAX_CHARACTERS = 2_000
/** Of a word; a shorter one must be right. */
const FUZZY_FROM = 5
const FUZZY = 0.2

export class RecentIndex {
  readonly #limits: Limits
  readonly #texts = new Map<string, string>()
  readonly #index = new MiniSearch<{ id: string; text: string }>({ fields: ['text'] })
  #characters = 0

  constructor(limits = LIMITS) {
    this.#limits = limits
  }

  /** How many it can have. */
  get most(): number {
    return this.#limits.count
  }

  get size(): number {
    return this.#texts.size
  }

  /** @param whole only its beginning is kept */
  add(taskId: string, whole: string): void {
    const text = whole.slice(0, MAX_CHARACTERS).toWellFormed()
    // A result never changes.
    if (this.#texts.has(taskId)) return
    this.#texts.set(taskId, text)
    this.#index.add({ id: taskId, text })
    this.#characters += text.length
    for (const [oldest, its] of this.#texts) {
      if (this.#texts.size <= this.#limits.count && this.#characters <= this.#limits.characters) return
      this.#texts.delete(oldest)
      this.#index.discard(oldest)
      this.#characters -= its.length
    }
  }

  /** Best first: words as they are count more than beginnings, and those more than words with a letter wrong. */
  search(query: string, limit: number): Found[] {
    const fuzzy = (word: string): number | false => (word.length >= FUZZY_FROM ? FUZZY : false)
    return this.#index
      .search(query, { prefix: true, fuzzy })
      .slice(0, limit)
      .map(({ id, score }) => ({ task_id: String(id), text: this.#texts.get(String(id)) ?? '', score }))
  }
}
