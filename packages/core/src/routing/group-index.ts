import type { PoolDescriptor } from '@poolmesh/types'
import { addTo, removeFrom } from '../sets.ts'
import { CapabilityGroup } from './capability-group.ts'
import { covers } from './requirements.ts'

/** Which groups there are, by capability and by region. */
export class GroupIndex {
  readonly #groups = new Map<string, CapabilityGroup>()
  readonly #byCapability = new Map<string, Set<CapabilityGroup>>()
  readonly #byRegion = new Map<string, Set<CapabilityGroup>>()

  keyOf(descriptor: PoolDescriptor): string {
    const { capabilities, region } = descriptor
    return JSON.stringify([
      region,
      ...(capabilities.length > 1 ? [...new Set(capabilities)].sort() : capabilities),
    ])
  }

  get(key: string): CapabilityGroup | undefined {
    return this.#groups.get(key)
  }

  create(key: string, descriptor: PoolDescriptor): CapabilityGroup {
    const group = new CapabilityGroup(key, descriptor)
    this.#groups.set(key, group)
    for (const capability of group.capabilities) addTo(this.#byCapability, capability, group)
    if (group.region !== null) addTo(this.#byRegion, group.region, group)
    return group
  }

  remove(group: CapabilityGroup): void {
    this.#groups.delete(group.key)
    for (const capability of group.capabilities) removeFrom(this.#byCapability, capability, group)
    if (group.region !== null) removeFrom(this.#byRegion, group.region, group)
  }

  hasCapability(capability: string): boolean {
    return this.#byCapability.has(capability)
  }

  hasRegion(region: string): boolean {
    return this.#byRegion.has(region)
  }

  /** False where one of the capabilities is had by no pool at all. */
  mayFit(capabilities: readonly string[]): boolean {
    for (const capability of capabilities) if (!this.#byCapability.has(capability)) return false
    return true
  }

  /** The groups that have all of `capabilities` (and are in `region`): looked for in the shortest list that must have them. */
  *fitting(capabilities: readonly string[], region: string | null = null): IterableIterator<CapabilityGroup> {
    let shortest: Iterable<CapabilityGroup> & { size: number } = {
      size: this.#groups.size,
      [Symbol.iterator]: () => this.#groups.values(),
    }
    const lists = capabilities.map((capability) => this.#byCapability.get(capability))
    if (region !== null) lists.push(this.#byRegion.get(region))
    for (const list of lists) {
      if (!list) return
      if (list.size < shortest.size) shortest = list
    }
    for (const group of shortest)
      if ((region === null || group.region === region) && covers(group.capabilities, capabilities))
        yield group
  }

  /** The groups that have at least one of `wanted`, each once. */
  withAny(wanted: readonly string[]): Set<CapabilityGroup> {
    const found = new Set<CapabilityGroup>()
    for (const capability of wanted)
      for (const group of this.#byCapability.get(capability) ?? []) found.add(group)
    return found
  }
}
