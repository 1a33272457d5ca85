export interface Page<Item> {
  items: Item[]
  /** Where the next page begins; null on the last. */
  cursor: string | null
}

/** Page after page, to the end or to the limit. The cursor is null at the end, as the contract has it. */
export async function collectPages<Item>(
  ask: (limit: number, cursor: string | null) => Promise<Page<Item>>,
  options: { from: string | undefined; limit: number; pageSize: number },
): Promise<Page<Item>> {
  const { from, limit, pageSize } = options
  const all: Page<Item> = { items: [], cursor: from ?? null }
  do {
    const { items, cursor } = await ask(Math.min(pageSize, limit - all.items.length), all.cursor)
    all.items.push(...items)
    all.cursor = cursor
  } while (all.cursor !== null && all.items.length < limit)
  return all
}
