// Pages and lists that stay under the size of one message.
import { isId } from '@poolmesh/types'

/** Opaque to callers: where the next page goes on, whatever came or went in between. */
export const cursorAfter = (name: string): string => Buffer.from(name).toString('base64url')

/** The name that the cursor stands behind; null: it is no cursor of ours. */
export function nameOfCursor(cursor: string): string | null {
  const name = Buffer.from(cursor, 'base64url').toString()
  return isId(name) && cursorAfter(name) === cursor ? name : null
}

export interface Page<Item> {
  items: Item[]
  /** Null on the last page. */
  cursor: string | null
}

/**
 * As many items as may be and fit, at least one if there is any.
 * @param maxBytes of the items as one JSON array
 */
export function cutPage<Item extends { name: string }>(
  items: Iterable<Item>,
  limit: number,
  maxBytes: number,
): Page<Item> {
  const page: Item[] = []
  let bytes = 0
  for (const item of items) {
    bytes += jsonBytes(item) + 1
    const last = page.at(-1)
    if (last !== undefined && (page.length === limit || bytes > maxBytes))
      return { items: page, cursor: cursorAfter(last.name) }
    page.push(item)
  }
  return { items: page, cursor: null }
}

/** Bytes of the value as JSON in UTF-8. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))

/** As many of the items, from the first, as fit into one JSON array of that size. */
export function firstThatFit<Item>(items: readonly Item[], maxBytes: number): Item[] {
  let bytes = 0
  const end = items.findIndex((item) => {
    bytes += jsonBytes(item) + 1
    return bytes > maxBytes
  })
  return end < 0 ? [...items] : items.slice(0, end)
}
