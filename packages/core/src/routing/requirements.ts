import type { RoutingStrategy } from '@poolmesh/types'

/** What a pool must have to run a task at all. Not to be changed once handed over: tables remember it by identity. */
export interface Requirements {
  readonly capabilities: readonly string[]
  /** The one pool that may run it, or null for any. */
  readonly pool: string | null
}

/** What decides among the pools that meet the requirements. */
export interface Preferences {
  strategy: RoutingStrategy
  /** The region that `region_aware` looks for. */
  region: string | null
  affinityKey: string
  /** Capabilities that `capability_based` counts beside the required ones. */
  preferred: readonly string[]
  /** Pools where it failed before: taken only where no other pool of the same health can take it. */
  avoid: ReadonlySet<string> | null
}

/** Sorted and without doubles. */
export const canonical = (capabilities: readonly string[]): readonly string[] =>
  capabilities.length > 1 ? [...new Set(capabilities)].sort() : capabilities

/** The same string for the same requirements, in whatever order they are written. */
export function requirementsKey(requirements: Requirements): string {
  const pool = requirements.pool ?? ''
  return requirements.capabilities.length === 0
    ? pool
    : `${pool} ${JSON.stringify(canonical(requirements.capabilities))}`
}

/** Whether all of `required` are among the `offered` ones. */
export const covers = (offered: ReadonlySet<string>, required: readonly string[]): boolean => {
  for (const capability of required) if (!offered.has(capability)) return false
  return true
}
