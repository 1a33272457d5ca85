/** Pools that have series of their own in one process; the others are in the sums only. */
export const NAMED_POOLS = 200

/** The pools that have series of their own: the first by name, so that those of several processes are the same. */
export const namedPools = <Pool extends { name: string }>(pools: Iterable<Pool>): Pool[] =>
  [...pools].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, NAMED_POOLS)
