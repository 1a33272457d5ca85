// Exit codes, one for each kind of failure. Scripts rely on them: they are added to, never changed.
import type { ErrorCode } from '@poolmesh/types'

export const EXIT = {
  done: 0,
  notCompleted: 1,
  wrongInput: 2,
  unreachable: 3,
  notFound: 4,
  notEnded: 5,
  refused: 6,
  /** EX_SOFTWARE of sysexits.h */
  defect: 70,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each means, for the help. */
export const EXIT_MEANINGS: Record<ExitCode, string> = {
  0: 'done; of submit and result: the task completed',
  1: 'the task ended, but did not complete; of cancel: it had ended before; of discover: an endpoint failed; of doctor: something is wrong; of pools health: a pool is not healthy; of a question that is asked first: the answer was not yes, and nothing was changed',
  2: 'wrong usage, invalid input or a wrong setting; of submit --file: some lines are no tasks',
  3: 'nothing answers: no server, no services, or no answer in time',
  4: 'there is no such task, pool or dead letter',
  5: 'of result: the task has not ended yet',
  6: 'refused: the id is pending already, the system is full, or others have scaled a pool meanwhile',
  70: 'a defect or a fault inside a service',
  130: 'interrupted, as by Ctrl-C; a task goes on, a file goes on from there, a question was answered no',
}

/** The codes that are not here do not come as errors, but as reasons of results. */
const BY_CODE: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID_JSON: EXIT.wrongInput,
  INVALID_INPUT: EXIT.wrongInput,
  INVALID_SETTING: EXIT.wrongInput,
  PAYLOAD_TOO_LARGE: EXIT.wrongInput,
  UNAVAILABLE: EXIT.unreachable,
  DEADLINE_EXCEEDED: EXIT.unreachable,
  NOT_FOUND: EXIT.notFound,
  CONFLICT: EXIT.refused,
  OVERLOADED: EXIT.refused,
  REPLY_TOO_LARGE: EXIT.refused,
}

export const exitCodeOf = (code: ErrorCode): ExitCode => BY_CODE[code] ?? EXIT.defect
