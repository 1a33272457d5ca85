// Payloads and outputs that are too large for a message, on their way through the object store.
import { type ClaimCheck, isPayloadRef, type PayloadRef, refuseTooLarge } from '@poolmesh/bus'
import { type DistributedTask, isJsonObject, PoolmeshError } from '@poolmesh/types'
import type { Output } from './answer.ts'

/** Larger outputs go through the object store: half a message leaves room for what is added on the way. */
const MAX_INLINE_BYTES = 512 * 1024

export const hasStoredPayload = (task: DistributedTask): boolean => task['payload_ref'] !== undefined

/**
 * The task with its payload in it.
 * @throws PoolmeshError of ClaimCheck.get(), or INVALID_INPUT when the payload is no object
 */
export async function loadPayload(
  claims: ClaimCheck | null,
  task: DistributedTask,
): Promise<DistributedTask> {
  const { payload_ref: ref, ...rest } = task
  if (!isPayloadRef(ref)) throw new PoolmeshError('INVALID_INPUT', 'the payload_ref makes no sense')
  if (!claims)
    throw new PoolmeshError('INVALID_INPUT', 'the payload is in a store that this pool has no access to')
  const payload = await claims.get(ref)
  if (!isJsonObject(payload)) throw new PoolmeshError('INVALID_INPUT', 'the stored payload is no object')
  return { ...rest, payload } as DistributedTask
}

/** @throws PoolmeshError of ClaimCheck.put() */
export async function storeOutput(claims: ClaimCheck, json: string): Promise<PayloadRef> {
  refuseTooLarge(Buffer.byteLength(json), 'the output')
  return await claims.put(json)
}

/** An output that is larger than any may be is a failure. */
export function withinBounds(output: Output): Output {
  if (!output.ok) return output
  try {
    refuseTooLarge(Buffer.byteLength(output.json), 'the output')
    return output
  } catch (error) {
    const { code, message } = error as PoolmeshError
    return { ok: false, code, message }
  }
}

/** @param maxMessage bytes that one message may have */
export function isLarge(json: string, maxMessage: number): boolean {
  const limit = Math.min(MAX_INLINE_BYTES, maxMessage / 2)
  if (json.length > limit) return true
  // UTF-8 has one to three bytes for each character: only in between they have to be counted.
  return json.length * 3 > limit && Buffer.byteLength(json) > limit
}

/** The broker was out of reach: the fault of neither the task nor the handler. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof PoolmeshError && error.code === 'UNAVAILABLE'
