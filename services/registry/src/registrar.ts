// Every change of the registered pools: decided on what is stored, stored, told as an event, in that order. Changes of one
// pool go one after the other, so that their events are stored in the order in which they happened.
import {
  adopt,
  discoveredFrom,
  type Lists,
  type PoolCatalog,
  type RegisteredPool,
  registration,
} from '@poolmesh/core'
import {
  type HealthStatus,
  type PoolDescriptor,
  PoolmeshError,
  type PoolView,
  requireExpected,
  type ScalablePool,
  type ScaleRequest,
  withDerived,
} from '@poolmesh/types'
import type { InOrder } from './in-order.ts'
import type { PoolEventReason, PoolEvents } from './pool-events.ts'
import type { Change, PoolStore } from './pool-store.ts'
import { requireScaling, scalablePool } from './scaling.ts'

const KEEP: Change = { kind: 'keep' }
const REMOVE: Change = { kind: 'remove' }

interface Decision {
  change: Change
  /** As what the change is told; null: to nobody. */
  reason: PoolEventReason | null
}

function notFound(name: string): never {
  throw new PoolmeshError('NOT_FOUND', `there is no pool ${name}`)
}

export class Registrar {
  readonly #catalog: PoolCatalog
  readonly #store: PoolStore
  readonly #events: PoolEvents
  readonly #inOrder: InOrder

  constructor(catalog: PoolCatalog, store: PoolStore, events: PoolEvents, inOrder: InOrder) {
    this.#catalog = catalog
    this.#store = store
    this.#events = events
    this.#inOrder = inOrder
  }

  /** The pool as it is stored. A pool of that name is replaced, whoever registered it, also one that drains. */
  async register(descriptor: PoolDescriptor): Promise<PoolView> {
    const change = await this.#change(descriptor.name, (current) => ({
      change: { kind: 'put', pool: registration(descriptor, null, current, Date.now()) },
      reason: current === null ? 'registered' : 'replaced',
    }))
    const view = this.#catalog.view(descriptor.name, performance.now())
    return view ?? withDerived(change.kind === 'put' ? change.pool : descriptor)
  }

  /** @throws PoolmeshError NOT_FOUND */
  async deregister(name: string): Promise<void> {
    await this.#change(name, (current) => current && { change: REMOVE, reason: 'deregistered' })
  }

  /** The pool gets no new work from now on. @throws PoolmeshError NOT_FOUND */
  async drain(name: string): Promise<void> {
    await this.#change(
      name,
      (current) =>
        current && {
          change: current.draining === true ? KEEP : { kind: 'put', pool: { ...current, draining: true } },
          reason: null,
        },
    )
  }

  /**
   * Changes how many tasks the pool runs at the same time; the same registration goes on.
   * @throws PoolmeshError NOT_FOUND; INVALID_INPUT where it has no limits or these are not kept; CONFLICT where it drains or
   *   has not the workers that were expected
   */
  async scale({ name, target_workers, expected_workers }: ScaleRequest): Promise<ScalablePool> {
    const change = await this.#change(name, (current) => {
      if (current === null) return null
      requireScaling(current, target_workers)
      if (current.draining === true)
        throw new PoolmeshError('CONFLICT', `the pool ${name} drains: it cannot be scaled`)
      requireExpected(name, current.max_workers, expected_workers)
      const pool = { ...current, max_workers: target_workers }
      // Also where nothing changes: what is told is what is stored.
      return { change: { kind: 'put', pool }, reason: null }
    })
    const scaled = change.kind === 'put' ? scalablePool(change.pool) : null
    return scaled ?? notFound(name)
  }

  /** Takes out a pool that has drained, unless it has been registered again. */
  async removeDrained(name: string, registeredAt: string): Promise<void> {
    await this.#change(name, (current) => ({
      change: current?.draining === true && current.registered_at === registeredAt ? REMOVE : KEEP,
      reason: 'drained',
    }))
  }

  /** Registers what an endpoint lists, unless that is somebody else's. */
  async adopt(
    listed: PoolDescriptor,
    endpoint: string,
    lists: (owner: string, name: string) => Lists,
  ): Promise<'new' | 'changed' | 'keep'> {
    let verdict: 'new' | 'changed' | 'keep' = 'keep'
    await this.#change(listed.name, (current) => {
      verdict = adopt(current, listed, endpoint, lists)
      return {
        change:
          verdict === 'keep'
            ? KEEP
            : { kind: 'put', pool: registration(listed, endpoint, current, Date.now()) },
        reason: 'discovered',
      }
    })
    return verdict
  }

  /**
   * A pool that the endpoint lists no longer gets no new work, and goes when its last task has ended; unless it is somebody
   * else's by now. False: nothing changes.
   */
  async drainGone(name: string, endpoint: string): Promise<boolean> {
    const change = await this.#change(name, (current) => ({
      change:
        current !== null && discoveredFrom(current) === endpoint && current.draining !== true
          ? { kind: 'put', pool: { ...current, draining: true } }
          : KEEP,
      reason: null,
    }))
    return change.kind === 'put'
  }

  /** @param decide null: it takes a pool of that name, and there is none */
  #change(name: string, decide: (current: RegisteredPool | null) => Decision | null): Promise<Change> {
    return this.#inOrder.run(name, async () => {
      let decision: Decision | null = null
      let previous: HealthStatus | null = null
      await this.#store.change(name, (current) => {
        decision = decide(current)
        previous = current && this.#catalog.health(current)
        return decision?.change ?? KEEP
      })
      // The last decision is the one that was stored; the compiler does not see that it was assigned in there.
      const { change, reason } = (decision as Decision | null) ?? notFound(name)
      if (change.kind !== 'keep' && reason !== null) await this.#events.tell(name, reason, previous)
      return change
    })
  }
}
