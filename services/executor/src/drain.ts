import { setTimeout as pause } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import type { TaskEngine } from '@poolmesh/core'
import type { Held } from './held.ts'

/** How long running tasks may take to end where nobody takes them over. */
const RUNS_MS = 6_000
/** How long the writes that are outstanding may take. */
const WRITES_MS = 1_000
const LOOK_MS = 10

/**
 * Before an executor leaves: takes nothing more, and lets outstanding writes be told. Where another stands by, what runs is
 * its own at once; where none does, it is given a few seconds to end.
 */
export async function drain(
  nc: NatsConnection,
  engine: TaskEngine<Held>,
  { stopTaking, hasPeers }: { stopTaking(): Promise<void> | undefined; hasPeers(): boolean },
): Promise<void> {
  await stopTaking()
  const until = async (isOver: () => boolean, ms: number): Promise<void> => {
    const end = performance.now() + ms
    while (!isOver() && performance.now() < end && !nc.isClosed()) await pause(LOOK_MS)
  }
  await until(() => engine.running === 0 || hasPeers(), RUNS_MS)
  await until(() => ![...engine.batches()].some((batch) => batch.writing.length > 0), WRITES_MS)
}
