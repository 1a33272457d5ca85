// The JSON of answers. An output is turned into JSON once: its text says how large it is, and goes into the answer as it is.
import type { PayloadRef } from '@poolmesh/bus'
import type { ErrorCode } from '@poolmesh/types'

/** Characters of an error's message that are kept. */
const MAX_MESSAGE = 4_096

export type Output = { ok: true; json: string } | { ok: false; code: string; message: string }

/** What a handler returned, as the JSON object that `output` has to be. */
export function outputOf(value: unknown): Output {
  if (value === undefined) return { ok: true, json: '{}' }
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    // The longest string that there can be is far beyond what an output may have.
    if (error instanceof RangeError && /string length/i.test(error.message))
      return { ok: false, code: 'PAYLOAD_TOO_LARGE', message: 'the output has more than 512 MiB of JSON' }
    return notJson(messageOf(error))
  }
  if (json === undefined) return notJson(`a ${typeof value} has none`)
  return { ok: true, json: json.startsWith('{') ? json : `{"value":${json}}` }
}

const notJson = (why: string): Output => ({
  ok: false,
  code: 'HANDLER_ERROR',
  message: `the handler's output has no JSON form: ${why}`.slice(0, MAX_MESSAGE),
})

/** What is told of a thrown value: never its stack. */
export function messageOf(thrown: unknown): string {
  let message: unknown
  try {
    if (thrown instanceof Error) message = thrown.message || thrown.name
    else if (thrown !== undefined && thrown !== null)
      message = (thrown as { message?: unknown }).message ?? String(thrown)
  } catch {
    // A getter or a toString that throws.
  }
  return typeof message === 'string' && message !== ''
    ? message.slice(0, MAX_MESSAGE)
    : 'the handler failed and did not say why'
}

/** A thrown value's own code where it is a string, such as ENOENT. */
export function codeOf(thrown: unknown): string {
  try {
    const code = (thrown as { code?: unknown } | null | undefined)?.code
    if (typeof code === 'string' && code !== '') return code.slice(0, 128)
  } catch {
    // A getter that throws.
  }
  return 'HANDLER_ERROR' satisfies ErrorCode
}

export interface Answered {
  /** Null: the work had none that could be read. The executor knows it by the reply subject then. */
  taskId: string | null
  attempt: number
  pool: string
  durationMs: number
}

/** @param json the output, an object */
export const completed = (of: Answered, json: string): string => answer(of, 'completed', json, null, '{}')

/** The same for an executor, which knows the pool: without what is always so. */
export const completedBriefly = (of: Answered, json: string): string =>
  `{"task_id":"${of.taskId}","status":"completed","output":${json},"duration":${secondsOf(of)},"attempt":${of.attempt}}`

const secondsOf = (of: Answered): string => Math.max(0, of.durationMs / 1000).toFixed(6)

/** The output is in the object store. */
export const completedByRef = (of: Answered, ref: PayloadRef): string =>
  answer(of, 'completed', 'null', null, '{}', `,"output_ref":${JSON.stringify(ref)}`)

/** @param metadata `code`: what the handler said; `reason`: what the executor acts upon */
export const ended = (
  of: Answered,
  status: 'failed' | 'timeout' | 'cancelled',
  error: string,
  metadata: { code?: string; reason?: ErrorCode },
): string => answer(of, status, 'null', error, JSON.stringify(metadata))

/** The pool could not take it or could not keep it: no attempt is counted, and the task runs elsewhere. */
export const refused = (of: Answered, error: string): string =>
  ended(of, 'failed', error, { reason: 'POOL_REFUSED' })

function answer(
  of: Answered,
  status: string,
  output: string,
  error: string | null,
  metadata: string,
  more = '',
): string {
  // Ids and pool names have no character that JSON escapes.
  const id = of.taskId === null ? '' : `"task_id":"${of.taskId}",`
  return `{${id}"pool_name":"${of.pool}","status":"${status}","output":${output},"error":${error === null ? 'null' : JSON.stringify(error)},"duration":${secondsOf(of)},"metadata":${metadata},"attempt":${of.attempt}${more}}`
}
