// Questions to the services, and what goes wrong with them, as PoolmeshErrors.
import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { ERRORS, type ErrorCode, type Issue, isJsonObject, PoolmeshError, parseJson } from '@poolmesh/types'
import { aborted, raceAbort } from './abort.ts'

export interface RequestOptions {
  /** Stops the waiting. A time-out signal ends as DEADLINE_EXCEEDED, any other with its own reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds to wait for the answer; default 5,000. */
  timeoutMs?: number | undefined
}

const DEFAULT_TIMEOUT_MS = 5_000
/** Where several answer: when nobody has for so long after another, those were all. */
const QUIET_MS = 500

/** Who answers which subjects, for the message when nobody does. */
const SERVICES: [prefix: string, service: string][] = [
  ['task.distribute', 'distributor'],
  ['task.', 'executor'],
  ['executor.', 'executor'],
  ['dead.', 'executor'],
  ['health.', 'health-monitor'],
  ['pool.', 'registry'],
  ['memory.', 'memory'],
]

/**
 * Asks and gives the answer's JSON.
 * @throws PoolmeshError with the service's own code for a refusal, UNAVAILABLE when nobody answers there,
 *   DEADLINE_EXCEEDED when the answer takes too long
 */
export async function ask<Reply>(
  nc: NatsConnection,
  subject: string,
  body: unknown,
  options: RequestOptions = {},
): Promise<Reply> {
  const { signal } = options
  if (signal?.aborted) throw aborted(signal)
  const timeout = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  let message: Msg
  try {
    message = await raceAbort(nc.request(subject, JSON.stringify(body), { timeout }), signal)
  } catch (cause) {
    throw explain(nc, subject, cause, timeout)
  }
  if (message.headers?.has('Nats-Service-Error-Code') === true) throw readRefusal(message, subject)
  return parseJson(message.string(), `the answer of ${subject}`) as Reply
}

/**
 * Asks everybody who listens there, and gives what they answered. Refusals are left out.
 * @throws PoolmeshError UNAVAILABLE when nobody answers
 */
export async function askAll<Reply>(
  nc: NatsConnection,
  subject: string,
  body: unknown,
  options: RequestOptions = {},
): Promise<Reply[]> {
  const { signal } = options
  if (signal?.aborted) throw aborted(signal)
  const timeout = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const replies: Reply[] = []
  try {
    const asked = { strategy: 'stall', stall: QUIET_MS, maxWait: timeout } as const
    const messages = await raceAbort(nc.requestMany(subject, JSON.stringify(body), asked), signal)
    for await (const message of messages)
      if (message.headers?.has('Nats-Service-Error-Code') !== true)
        replies.push(parseJson(message.string(), `an answer of ${subject}`) as Reply)
  } catch (cause) {
    throw explain(nc, subject, cause, timeout)
  }
  signal?.throwIfAborted()
  if (replies.length === 0)
    throw unavailable(`nothing answers ${subject} at ${nc.getServer()}: ${notRunning(subject)}`)
  return replies
}

function explain(nc: NatsConnection, subject: string, cause: unknown, timeoutMs: number): unknown {
  const causes = [cause, (cause as Error | undefined)?.cause]
  if (causes.some((error) => error instanceof errors.NoRespondersError))
    return unavailable(`nothing answers ${subject} at ${nc.getServer()}: ${notRunning(subject)}`, cause)
  if (causes.some((error) => error instanceof errors.TimeoutError))
    return new PoolmeshError('DEADLINE_EXCEEDED', `no answer of ${subject} within ${timeoutMs} ms`, [], {
      cause,
    })
  if (nc.isClosed() || causes.some((error) => error instanceof errors.ClosedConnectionError))
    return unavailable('the connection is closed', cause)
  if (causes.some((error) => error instanceof errors.RequestError || error instanceof errors.ConnectionError))
    return unavailable(`${subject} could not be asked: ${(cause as Error).message}`, cause)
  return cause
}

function notRunning(subject: string): string {
  const service = SERVICES.find(([prefix]) => subject.startsWith(prefix))?.[1]
  return service === undefined
    ? 'poolmesh is not running there; start it with `npm start`'
    : `the ${service} is not running there; start everything with \`npm start\`, or it alone with \`npm run service -- ${service}\``
}

export const unavailable = (message: string, cause?: unknown): PoolmeshError =>
  new PoolmeshError('UNAVAILABLE', message, [], { cause })

/** A refusal as the exception that it was on the other side. */
function readRefusal(message: Msg, subject: string): PoolmeshError {
  const fallback = message.headers?.get('Nats-Service-Error') || `${subject} refused`
  let body: unknown
  try {
    body = message.json()
  } catch {
    return new PoolmeshError('INTERNAL', fallback)
  }
  const error = isJsonObject(body) && isJsonObject(body['error']) ? body['error'] : {}
  const code = String(error['code'])
  return new PoolmeshError(
    Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL',
    typeof error['message'] === 'string' ? error['message'] : fallback,
    Array.isArray(error['issues']) ? (error['issues'] as Issue[]) : [],
  )
}
