import type { NatsConnection } from '@nats-io/transport-node'
import {
  type DeregisterReply,
  type DiscoverReply,
  healthSubject,
  type PoolDescriptorInput,
  type PoolListRequest,
  PoolmeshError,
  type PoolStatsReply,
  type PoolView,
  poolHealthAnswerSchema,
  type ScalablePool,
  type ScalableReply,
  type ScaleRequest,
  SUBJECTS,
  scaleSubject,
} from '@poolmesh/types'
import { ask, askAll, type RequestOptions } from './requests.ts'

export interface PoolRegistryOptions {
  /** HTTP addresses that `discoverPools` asks; left out: those of the registry's own settings. */
  discoveryEndpoints?: string[] | undefined
}

export interface PoolPage {
  pools: PoolView[]
  /** For the next page; null on the last. */
  cursor: string | null
}

/** What a list is narrowed to. */
export type PoolFilter = Omit<PoolListRequest, 'cursor' | 'limit'>

/** Each endpoint is asked over HTTP; the registry bounds every one of them. */
const DISCOVERY_TIMEOUT_MS = 60_000
/** A pool that is well answers within milliseconds. */
const HEALTH_TIMEOUT_MS = 500
/** Pools a page where all are wanted; fewer where they do not fit into one message. */
const PAGE = 1_000

/** The pools of the system. Descriptors are as on the wire: `pool_type`, `max_workers`. */
export class PoolRegistry {
  readonly #nc: NatsConnection
  readonly #discoveryEndpoints: string[] | undefined

  constructor(nc: NatsConnection, options: PoolRegistryOptions = {}) {
    this.#nc = nc
    this.#discoveryEndpoints = options.discoveryEndpoints
  }

  /** Registers a pool, or replaces the one of that name. @throws PoolmeshError INVALID_INPUT with `issues` */
  async registerPool(descriptor: PoolDescriptorInput, options: RequestOptions = {}): Promise<PoolView> {
    return await ask(this.#nc, SUBJECTS.poolRegister, descriptor, options)
  }

  /** @param options.drain true: it gets no new work, and is gone when its last task ends. @throws PoolmeshError NOT_FOUND */
  async deregisterPool(
    name: string,
    options: RequestOptions & { drain?: boolean | undefined } = {},
  ): Promise<DeregisterReply> {
    const request = { name, drain: options.drain === true }
    return await ask(this.#nc, SUBJECTS.poolDeregister, request, options)
  }

  /** Asks endpoints for their pools and registers what they have. An endpoint that fails is in `failed`. */
  async discoverPools(
    endpoints = this.#discoveryEndpoints,
    options: RequestOptions = {},
  ): Promise<DiscoverReply> {
    const request = endpoints === undefined ? {} : { endpoints }
    return await ask(this.#nc, SUBJECTS.poolDiscover, request, {
      timeoutMs: DISCOVERY_TIMEOUT_MS,
      ...options,
    })
  }

  /** One page, by name. */
  async listPools(request: PoolListRequest = {}, options: RequestOptions = {}): Promise<PoolPage> {
    return await ask(this.#nc, SUBJECTS.poolList, request, options)
  }

  /** All pools that fit, page after page: a registry of any size, one page in memory. */
  async *iterate(
    filter: PoolFilter = {},
    options: RequestOptions = {},
  ): AsyncGenerator<PoolView, void, void> {
    let limit = PAGE
    let cursor: string | null = null
    for (;;) {
      try {
        const page: PoolPage = await this.listPools({ ...filter, limit, cursor }, options)
        yield* page.pools
        cursor = page.cursor
        if (cursor === null) return
      } catch (error) {
        if (!(error instanceof PoolmeshError && error.code === 'REPLY_TOO_LARGE') || limit === 1) throw error
        limit = Math.ceil(limit / 4)
      }
    }
  }

  async getAllPools(options: RequestOptions = {}): Promise<PoolView[]> {
    return await collect(this.iterate({}, options))
  }

  /** Pools that are not unavailable. */
  async getActivePools(options: RequestOptions = {}): Promise<PoolView[]> {
    return await collect(this.iterate({ active_only: true }, options))
  }

  async findPoolsByCapability(capability: string, options: RequestOptions = {}): Promise<PoolView[]> {
    return await collect(this.iterate({ capability }, options))
  }

  async findPoolsByRegion(region: string, options: RequestOptions = {}): Promise<PoolView[]> {
    return await collect(this.iterate({ region }, options))
  }

  /** @throws PoolmeshError NOT_FOUND */
  async getPoolStatus(name: string, options: RequestOptions = {}): Promise<PoolView> {
    return await ask(this.#nc, SUBJECTS.poolGet, { name }, options)
  }

  /**
   * The pools whose number of workers can be changed: those that are registered with `metadata.scaling`, and those that some
   * `pool_spawn` started. Everybody who can change some is asked; who does not answer within a moment is left out.
   * @throws PoolmeshError UNAVAILABLE where nobody answers
   */
  async listScalable(options: RequestOptions = {}): Promise<ScalablePool[]> {
    const replies = await askAll<ScalableReply>(this.#nc, SUBJECTS.poolScalable, {}, options)
    return replies
      .flatMap(({ pools }) => pools)
      .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
  }

  /**
   * Changes how many workers a pool has, within its limits.
   * @param pool as `listScalable` has it; where `workers` is there it must still be so
   * @returns the pool as it is then; its processes may still be starting, or ending
   * @throws PoolmeshError INVALID_INPUT, NOT_FOUND, OVERLOADED; CONFLICT where others have scaled it meanwhile
   */
  async scalePool(
    { name, scaler, workers }: Pick<ScalablePool, 'name' | 'scaler'> & { workers?: number },
    target: number,
    options: RequestOptions = {},
  ): Promise<ScalablePool> {
    const request: ScaleRequest = {
      name,
      target_workers: target,
      ...(workers === undefined ? {} : { expected_workers: workers }),
    }
    return await ask(this.#nc, scaleSubject(scaler), request, options)
  }

  /**
   * Tasks that a pool runs now, to the moment: one on the bus is asked itself, since its heartbeats may be seconds old. Of one
   * that does not say it, what the registry knows.
   */
  async countRunning(pool: PoolView): Promise<number> {
    if (pool.pool_type !== 'nats') return pool.current_workers
    const asked = ask<unknown>(this.#nc, healthSubject(pool.name), {}, { timeoutMs: HEALTH_TIMEOUT_MS })
    const answer = poolHealthAnswerSchema.safeParse(await asked.catch(() => null))
    return answer.data?.current_workers ?? pool.current_workers
  }

  async getRegistryStats(options: RequestOptions = {}): Promise<PoolStatsReply> {
    return await ask(this.#nc, SUBJECTS.poolStats, {}, options)
  }
}

async function collect(pools: AsyncIterable<PoolView>): Promise<PoolView[]> {
  const all: PoolView[] = []
  for await (const pool of pools) all.push(pool)
  return all
}
