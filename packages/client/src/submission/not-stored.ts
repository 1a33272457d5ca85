// Why a task could not be stored, as errors for the caller.
import { NO_LEADER, type PublishOutcome, STREAM_FULL } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import { unavailable } from '../requests.ts'
import type { Submission } from './submission.ts'

/** Why nothing could be sent. */
export const AWAY = 'there is no connection to the NATS server'

/** Whether the next try may fare better than the refusal of that code. */
export const mayPass = (code: number, submission: Submission): boolean =>
  NO_LEADER.has(code) || (STREAM_FULL.has(code) && submission.patient)

export function refusal({ code, message }: PublishOutcome & { kind: 'refused' }): PoolmeshError {
  if (STREAM_FULL.has(code))
    return new PoolmeshError(
      'OVERLOADED',
      `the stream of pending tasks takes no more (${message}): try again later`,
    )
  if (code === 413) return new PoolmeshError('PAYLOAD_TOO_LARGE', message)
  return unavailable(`the broker refused the task: ${message} (${code})`)
}

/** Says whether it may be stored all the same: that decides whether the caller may submit it again under another id. */
export function gaveUp(
  outcome: Exclude<PublishOutcome, { kind: 'stored' }>,
  { unanswered }: Submission,
  giveUpMs: number,
): PoolmeshError {
  const within = `within ${giveUpMs / 1000} s`
  if (unanswered > 0)
    return new PoolmeshError(
      'DEADLINE_EXCEEDED',
      `the broker did not confirm the task ${within}, so it may be stored or not: ${outcome.message}. Ask for its result by its id, or submit it again with the same id`,
    )
  if (outcome.kind === 'refused') return refusal(outcome)
  if (outcome.noStream)
    return unavailable(
      `nobody stores tasks there: ${outcome.message}. Start poolmesh with \`npm start\`, or one executor with \`npm run service -- executor\``,
    )
  return unavailable(
    `the task was not stored ${within}, and will not be: ${outcome.message}. Submit it again`,
  )
}
