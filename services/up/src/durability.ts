// What `npm start` says of durability: in one line what the settings keep, and what keeping more costs (by the benchmark that
// docs/durability.md quotes).
import type { Settings } from '@poolmesh/bus'

/** @param copies that the broker keeps of what is stored */
export function durabilityLine(settings: Settings, copies: number): string {
  const { sync } = settings.poolmesh
  return `durability: ${settings.natsUrl === null ? embedded(sync) : elsewhere(copies)} (docs/durability.md)`
}

const embedded = (sync: string): string =>
  sync === 'always'
    ? 'everything is on the disk before it is acknowledged; not even a power cut loses it. POOLMESH_SYNC=1s is a third faster'
    : `no killed process loses anything; a power cut may lose the last ${sync}. POOLMESH_SYNC=always loses nothing and costs a quarter of the speed, by the disk`

const elsewhere = (copies: number): string =>
  copies > 1
    ? `${copies} copies of everything, so one server may be lost, at half the speed of one; each flushes to disk by its own sync_interval`
    : 'one copy, flushed to disk by the server’s own sync_interval. POOLMESH_REPLICAS=3 in a cluster keeps three, at half the speed'

/** Null: nothing was set that has no effect. */
export function ignoredSync(settings: Settings): string | null {
  const source = settings.sources['POOLMESH_SYNC']
  if (settings.natsUrl === null || source === 'default') return null
  const name = source === 'file' ? 'poolmesh.sync' : 'POOLMESH_SYNC'
  return `${name} is for the embedded server only, and NATS_URL names another: set sync_interval there`
}
