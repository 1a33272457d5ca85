// What becomes of a descriptor when it is registered.
import {
  type DerivedPoolFields,
  type HealthStatus,
  isId,
  isJsonObject,
  type PoolDescriptor,
} from '@poolmesh/types'

/** A descriptor as the registry keeps it. */
export type RegisteredPool = PoolDescriptor & {
  /** RFC 3339. Never the same for two registrations of one name, so that it tells them apart. */
  registered_at: string
  /** Gets no new work, and is taken out when its last task has ended. */
  draining?: boolean
}

/** What the health monitor found of one registration. */
export interface HealthVerdict {
  status: HealthStatus
  registered_at: string
}

/** Whether what is stored can be used as a pool; every valid descriptor can, so this is cheap and not complete. */
export const isRegisteredPool = (value: unknown): value is RegisteredPool =>
  isJsonObject(value) &&
  isId(value['name']) &&
  typeof value['pool_type'] === 'string' &&
  Array.isArray(value['capabilities']) &&
  typeof value['max_workers'] === 'number' &&
  (value['region'] === null || typeof value['region'] === 'string') &&
  isJsonObject(value['metadata']) &&
  typeof value['registered_at'] === 'string'

/** The key in `metadata` that names the endpoint which a pool was discovered at. */
export const DISCOVERED_FROM = 'discovered_from'

/** Fields that are ours: replies carry them, and a caller that sends a reply back means none of them. */
type OwnField = keyof DerivedPoolFields | 'registered_at' | 'draining'
const OWN_FIELDS: ReadonlySet<string> = new Set<OwnField>([
  'load_factor',
  'is_available',
  'utilization',
  'registered_at',
  'draining',
])
const OWN_METADATA: ReadonlySet<string> = new Set([DISCOVERED_FROM])

/** The endpoint that the pool was discovered at; null for one that was registered by hand. */
export function discoveredFrom(pool: PoolDescriptor): string | null {
  const endpoint = Object.hasOwn(pool.metadata, DISCOVERED_FROM) ? pool.metadata[DISCOVERED_FROM] : null
  return typeof endpoint === 'string' ? endpoint : null
}

/** The same object where it has none of the keys, which is nearly always and costs nothing. */
function without<Fields extends object>(fields: Fields, keys: ReadonlySet<string>): Fields {
  if (![...keys].some((key) => Object.hasOwn(fields, key))) return fields
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.has(key))) as Fields
}

/**
 * The descriptor as it is kept. Nothing of an earlier registration stays in it.
 * @param endpoint where it was discovered, or null when somebody registered it: that somebody then owns it
 * @param previous the registration that it replaces
 * @param now milliseconds since the epoch
 */
export function registration(
  descriptor: PoolDescriptor,
  endpoint: string | null,
  previous: RegisteredPool | null,
  now: number,
): RegisteredPool {
  const metadata = without(descriptor.metadata, OWN_METADATA)
  return {
    ...without(descriptor, OWN_FIELDS),
    metadata: endpoint === null ? metadata : { ...metadata, [DISCOVERED_FROM]: endpoint },
    registered_at: registrationTime(previous?.registered_at ?? null, now),
  }
}

/** Strictly later than the previous registration of that name, however fast they follow and wherever the clock goes. */
function registrationTime(previous: string | null, now: number): string {
  const earliest = previous === null ? Number.NEGATIVE_INFINITY : Date.parse(previous) + 1
  return new Date(Math.max(earliest, now)).toISOString()
}
