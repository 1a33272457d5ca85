// What somebody lists as its pools, read and checked.
import type { McpSession } from '@poolmesh/adapters'
import { invalidInput, isJsonObject, type PoolDescriptor, PoolmeshError } from '@poolmesh/types'
import type * as z from 'zod'

/** Reasons that are told of one endpoint; what is wrong with one pool is mostly wrong with all. */
const MAX_REASONS = 20

export interface Listing {
  pools: PoolDescriptor[]
  /** Of everything that it lists, also of what is no valid descriptor. */
  names: Set<string>
  /** Why some that it lists are left out. */
  reasons: string[]
}

export interface Asking {
  /** Of one pool. */
  schema: z.ZodType<PoolDescriptor>
  /** A pool as JSON must not be larger. */
  maxPoolBytes: number
  timeoutMs: number
  /** Stops asking. */
  signal: AbortSignal
  /** With the MCP server at that address. */
  session(address: string): McpSession
}

export function readListing(entries: readonly unknown[], asking: Asking): Listing {
  const listing: Listing = { pools: [], names: new Set(), reasons: [] }
  const leaveOut = (index: number, name: unknown, reason: string): void => {
    if (listing.reasons.length >= MAX_REASONS) return
    listing.reasons.push(
      `pools.${index}${typeof name === 'string' ? ` (${name.slice(0, 64)})` : ''}: ${reason}`,
    )
  }
  for (const [index, entry] of entries.entries()) {
    const name = isJsonObject(entry) ? entry['name'] : undefined
    const parsed = asking.schema.safeParse(entry)
    if (typeof name === 'string' && listing.names.has(name)) leaveOut(index, name, 'is listed twice')
    else if (!parsed.success) leaveOut(index, name, invalidInput(parsed.error, 'it').message)
    else if (Buffer.byteLength(JSON.stringify(parsed.data)) > asking.maxPoolBytes)
      leaveOut(index, name, `has more than ${asking.maxPoolBytes} bytes`)
    else listing.pools.push(parsed.data)
    if (typeof name === 'string') listing.names.add(name)
  }
  return listing
}

export const failure = (reason: string): PoolmeshError => new PoolmeshError('UNAVAILABLE', reason)
