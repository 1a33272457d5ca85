// What came in the fan-out lane and is no fan-out: recorded on `task.rejected`, like whatever is published and is no task.
import { headers } from '@nats-io/transport-node'
import type { Publisher, PulledMessage } from '@poolmesh/bus'
import { type DistributedTaskResult, type PoolmeshError, type Rejection, SUBJECTS } from '@poolmesh/types'

/** As the contract has it: the first 4 KiB of what was published. */
const RECEIVED_BYTES = 4_096

/** @returns whether it is recorded; false: try again later */
export async function record(
  publisher: Publisher,
  message: PulledMessage,
  error: PoolmeshError,
): Promise<boolean> {
  const rejection: Rejection = {
    error: { ...error.toRefusal().error, issues: error.issues.map((issue) => ({ ...issue })) },
    received: Buffer.from(message.data.subarray(0, RECEIVED_BYTES)).toString('utf8'),
    at: new Date().toISOString(),
  }
  const h = headers()
  // A redelivery is not recorded twice.
  h.set('Nats-Msg-Id', `${message.subject}:${message.sequence}`)
  return (await publisher.store(SUBJECTS.taskRejected, JSON.stringify(rejection), h)).kind === 'stored'
}

/** What such a task ends as: its id is known, if only from the subject. */
export const rejectedResult = (taskId: string, error: PoolmeshError): DistributedTaskResult => ({
  task_id: taskId,
  pool_name: null,
  status: 'failed',
  output: null,
  error: error.message,
  duration: 0,
  metadata: { attempts: 0, queued_ms: 0, reason: error.code, issues: error.issues },
})
