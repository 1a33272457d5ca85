// What the registry answers on the bus.
import { type Endpoint, endpoint } from '@poolmesh/bus'
import { cutPage, firstThatFit, jsonBytes, nameOfCursor, type PoolCatalog } from '@poolmesh/core'
import {
  deregisterRequestSchema,
  discoverRequestSchema,
  isJsonObject,
  type PoolDescriptor,
  PoolmeshError,
  poolDescriptorSchema,
  poolListRequestSchema,
  poolNameRequestSchema,
  REGISTRY_SCALER,
  SUBJECTS,
  scaleRequestSchema,
  scaleSubject,
} from '@poolmesh/types'
import * as z from 'zod'
import { cutReply, type Discovery } from './discovery.ts'
import type { PoolStore } from './pool-store.ts'
import type { Registrar } from './registrar.ts'
import { scalablePools } from './scaling.ts'

export interface IgnoredHeartbeats {
  /** For a name that is not registered. */
  unknown_pool: number
  malformed: number
}

export interface Parts {
  catalog: PoolCatalog
  store: PoolStore
  registrar: Registrar
  discovery: Discovery
  /** Asked by `pool.discover` when it names none. */
  discoveryEndpoints: readonly string[]
  ignoredHeartbeats: Readonly<IgnoredHeartbeats>
  /** Bytes that a reply may have. */
  maxReply: () => number
  /** Of what is registered. */
  descriptor: z.ZodType<PoolDescriptor>
}

/** Of a reply, what is around the pools and lists. */
const ENVELOPE_BYTES = 512

/** A descriptor as the contract has it; pools that name no number of workers get the settings'. */
export const descriptorSchema = (maxWorkers: number): z.ZodType<PoolDescriptor> =>
  z.preprocess(
    (value) =>
      isJsonObject(value) && value['max_workers'] === undefined
        ? { ...value, max_workers: maxWorkers }
        : value,
    poolDescriptorSchema,
  )

export function endpoints(parts: Parts): Endpoint[] {
  const { catalog, registrar } = parts
  return [
    endpoint({
      subject: SUBJECTS.poolRegister,
      request: parts.descriptor,
      handle: (descriptor, message) => {
        requireRoom(descriptor, message.data.length, parts.maxReply())
        return registrar.register(descriptor)
      },
    }),
    endpoint({
      subject: SUBJECTS.poolDeregister,
      request: deregisterRequestSchema,
      handle: async ({ name, drain }) => {
        await (drain ? registrar.drain(name) : registrar.deregister(name))
        return { name, deregistered: !drain, draining: drain }
      },
    }),
    endpoint({
      subject: SUBJECTS.poolGet,
      request: poolNameRequestSchema,
      handle: async ({ name }) => {
        if (catalog.known(name) === undefined) await parts.store.lookUp(name)
        const view = catalog.view(name, performance.now())
        if (view === undefined) throw new PoolmeshError('NOT_FOUND', `there is no pool ${name}`)
        return view
      },
    }),
    endpoint({
      subject: SUBJECTS.poolList,
      request: poolListRequestSchema,
      handle: ({ cursor, limit, ...filter }) => {
        const after = cursor == null ? null : readCursor(cursor)
        const pools = catalog.walk(filter, after, performance.now())
        const page = cutPage(pools, limit, parts.maxReply() - ENVELOPE_BYTES)
        return { pools: page.items, cursor: page.cursor }
      },
    }),
    endpoint({ subject: SUBJECTS.poolStats, request: z.looseObject({}), handle: () => stats(parts) }),
    endpoint({
      subject: SUBJECTS.poolDiscover,
      request: discoverRequestSchema,
      handle: async ({ endpoints: asked }) =>
        cutReply(await parts.discovery.run(asked ?? parts.discoveryEndpoints), parts.maxReply()),
    }),
    endpoint({
      subject: SUBJECTS.poolScalable,
      request: z.looseObject({}),
      handle: () => ({ pools: firstThatFit([...scalablePools(catalog)], parts.maxReply() - ENVELOPE_BYTES) }),
    }),
    endpoint({
      subject: scaleSubject(REGISTRY_SCALER),
      request: scaleRequestSchema,
      handle: (request) => registrar.scale(request),
    }),
  ]
}

/** What is registered must come back out: alone on a page, with the fields that we add. */
function requireRoom(descriptor: PoolDescriptor, received: number, maxReply: number): void {
  const most = maxReply - 2 * ENVELOPE_BYTES
  // Printed anew it may be longer, 1e20 as a number of 21 digits; never so much longer, so that most need no count.
  if (received * 8 + ENVELOPE_BYTES <= most) return
  const bytes = jsonBytes(descriptor)
  if (bytes > most)
    throw new PoolmeshError('INVALID_INPUT', `the pool has ${bytes} bytes, more than ${most}`, [
      { path: '', message: `has ${bytes} bytes; at most ${most} fit into one message` },
    ])
}

function stats({ catalog, ignoredHeartbeats, maxReply }: Parts): Record<string, unknown> {
  const { total, active, types, capabilities } = catalog.stats()
  const byUse = [...capabilities].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  const shown = firstThatFit(byUse, maxReply() - 2 * ENVELOPE_BYTES)
  return {
    total_pools: total,
    active_pools: active,
    pool_types: Object.fromEntries(types),
    capabilities: Object.fromEntries(shown),
    ...(shown.length < byUse.length ? { capabilities_left_out: byUse.length - shown.length } : {}),
    ignored_heartbeats: ignoredHeartbeats,
  }
}

function readCursor(cursor: string): string {
  const name = nameOfCursor(cursor)
  if (name === null)
    throw new PoolmeshError('INVALID_INPUT', 'the cursor is none that pool.list gave', [
      { path: 'cursor', message: 'must be the `cursor` of a reply' },
    ])
  return name
}
