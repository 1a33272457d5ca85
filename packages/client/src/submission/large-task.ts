// Tasks over the broker's message limit: the payload goes to the object store, and the task carries the claim to it.
import type { NatsConnection } from '@nats-io/transport-node'
import { type ClaimCheck, maxPayload, type PayloadRef } from '@poolmesh/bus'
import { type DistributedTaskInput, PoolmeshError } from '@poolmesh/types'
import type { PreparedTask } from './prepared-task.ts'

/** Room for the id and the defaults that executors fill in, and for what they send to a pool around the task. */
const ROOM_BYTES = 2_048

export const isTooLarge = (nc: NatsConnection, task: PreparedTask): boolean =>
  task.bytes > maxPayload(nc) - ROOM_BYTES

/** @throws PoolmeshError PAYLOAD_TOO_LARGE over 64 MiB, or where the task is too large without its payload */
export async function storePayload(
  nc: NatsConnection,
  claims: ClaimCheck,
  input: DistributedTaskInput,
): Promise<{ text: string; payloadRef: PayloadRef }> {
  const print = (payloadRef: object): string => {
    const text = JSON.stringify({ ...input, payload: {}, payload_ref: payloadRef })
    if (Buffer.byteLength(text) > maxPayload(nc) - ROOM_BYTES)
      throw new PoolmeshError(
        'PAYLOAD_TOO_LARGE',
        `the task has ${Buffer.byteLength(text)} bytes without its payload, more than one message may have: only payloads may be large`,
      )
    return text
  }
  print({})
  const payloadRef = await claims.put(input.payload)
  return { text: print(payloadRef), payloadRef }
}
