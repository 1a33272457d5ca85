// What discovery may do with a pool that an endpoint lists.
import { isJsonObject, type PoolDescriptor } from '@poolmesh/types'
import { DISCOVERED_FROM, discoveredFrom, type RegisteredPool, registration } from './registration.ts'

/** Of an endpoint: whether it lists a pool of that name now. `unasked`: nobody asked it this time. */
export type Lists = 'yes' | 'no' | 'unasked'

/**
 * - `new`: register it.
 * - `changed`: replace what was discovered before.
 * - `keep`: leave what is there: the same, or registered by hand, or on its way out, or another endpoint's.
 *
 * @param lists whether the endpoint that the pool was discovered at lists it still
 */
export function adopt(
  current: RegisteredPool | null,
  listed: PoolDescriptor,
  endpoint: string,
  lists: (owner: string, name: string) => Lists,
): 'new' | 'changed' | 'keep' {
  if (current === null) return 'new'
  const owner = discoveredFrom(current)
  if (owner === null || current.draining === true) return 'keep'
  // Two endpoints may list the same pool: it stays with the one that had it first for as long as that one lists it.
  if (owner !== endpoint) return lists(owner, listed.name) === 'no' ? 'changed' : 'keep'
  return sameJson(essence(current), essence(registration(listed, endpoint, current, 0))) ? 'keep' : 'changed'
}

/** Without what differs every time: the load is news of the moment, and the time of registration ours. */
const essence = (pool: RegisteredPool): Record<string, unknown> => ({
  ...pool,
  registered_at: null,
  current_workers: null,
  queue_size: null,
  metadata: { ...pool.metadata, [DISCOVERED_FROM]: null },
})

function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  if (!isJsonObject(a) || !isJsonObject(b)) return a === b
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  )
}
