import { type PeerQueue, peerClient } from '../compare/client.ts'
import type { CompareCommands } from '../compare/commands.ts'

export interface PeerOptions {
  queue: string
  /** Jobs that a worker process runs at one time. */
  concurrency: number
  /** The same job as poolmesh's: the result is stored and the submitter told. Else the peer as it is. */
  told: boolean
}

export interface PeerWorkerCommands {
  /** Jobs whose handler has run since the start. */
  done(): Promise<number>
}

/** A client that is told nothing: it adds jobs, and whoever measures asks the worker how many it has run. */
export async function countingClient(
  queue: PeerQueue,
  bulk: number,
): Promise<{ commands: CompareCommands; stop(): Promise<void> }> {
  return await peerClient(async () => queue, bulk)
}
