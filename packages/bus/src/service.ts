// Request subjects as a NATS micro service (ADR-32): found by $SRV.PING|INFO|STATS, input checked by schema,
// refusals with a code and a path into the input.
import { hostname } from 'node:os'
import { type ServiceMsg, Svcm } from '@nats-io/services'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { ERRORS, PoolmeshError, parseJson, validate } from '@poolmesh/types'
import type { Logger } from 'pino'
import type * as z from 'zod'

export const SERVICE_VERSION = '0.1.0'

export interface Endpoint<Schema extends z.ZodType = z.ZodType> {
  subject: string
  /** Checks the request; an empty message counts as `{}`. */
  request: Schema
  /** Its value is the reply. A PoolmeshError is told as it is, anything else as INTERNAL. */
  handle(request: z.output<Schema>, message: Msg): unknown
}

/** Keeps the type of the request between the schema and the handler. */
export const endpoint = <Schema extends z.ZodType>(spec: Endpoint<Schema>): Endpoint =>
  spec as unknown as Endpoint

export interface ServiceOptions {
  /** `poolmesh-registry` and so on. */
  name: string
  description: string
  endpoints: Endpoint[]
  /** Whose members share the requests: default all processes of that name. */
  queue?: string
  log: Logger
}

/** Serves the endpoints, one of the processes with the same queue answering each request. Dispose it to stop. */
export async function serve(nc: NatsConnection, options: ServiceOptions): Promise<AsyncDisposable> {
  const service = await new Svcm(nc).add({
    name: options.name,
    version: SERVICE_VERSION,
    description: options.description,
    queue: options.queue ?? options.name,
    // Which of several processes answers: in a container, the name that only it has.
    metadata: { host: hostname() },
  })
  for (const spec of options.endpoints)
    service.addEndpoint(spec.subject.replaceAll('.', '-'), {
      subject: spec.subject,
      handler: (error, message) => {
        if (!error) void answer(nc, spec, message, options.log)
      },
    })
  // The server knows the subscriptions when this resolves, so that whoever asks next is answered.
  await nc.flush()
  return {
    async [Symbol.asyncDispose]() {
      await service.stop()
    },
  }
}

async function answer(nc: NatsConnection, spec: Endpoint, message: ServiceMsg, log: Logger): Promise<void> {
  try {
    const request = validate(
      spec.request,
      readRequest(message, spec.subject),
      `the request to ${spec.subject}`,
    )
    const text = JSON.stringify(await spec.handle(request, message))
    if (text.length * 3 > maxPayload(nc) && Buffer.byteLength(text) > maxPayload(nc))
      throw new PoolmeshError(
        'REPLY_TOO_LARGE',
        `the reply has ${Buffer.byteLength(text)} bytes, more than one message may have: ask for less at once`,
      )
    message.respond(text)
  } catch (error) {
    refuse(message, error, log, spec.subject)
  }
}

const readRequest = (message: Msg, subject: string): unknown =>
  message.data.length === 0 ? {} : parseJson(message.string(), `the request to ${subject}`)

/** Bytes that one message may have, less room for headers. */
export const maxPayload = (nc: NatsConnection): number => (nc.info?.max_payload ?? 1_048_576) - 4_096

/** Every error as what goes over the wire; what nobody meant to throw becomes INTERNAL and is logged. */
export function toPoolmeshError(error: unknown, log: Logger, doing: string): PoolmeshError {
  if (error instanceof PoolmeshError) return error
  log.error({ err: error, doing }, 'unexpected failure')
  return new PoolmeshError(
    'INTERNAL',
    `an unexpected failure, see the log of the service: ${(error as Error)?.message ?? error}`,
  )
}

function refuse(message: ServiceMsg, error: unknown, log: Logger, subject: string): void {
  const refusal = toPoolmeshError(error, log, subject)
  try {
    message.respondError(
      ERRORS[refusal.code].status,
      headerSafe(refusal.message),
      JSON.stringify(refusal.toRefusal()),
    )
  } catch (failure) {
    log.warn({ err: failure, subject }, 'a refusal could not be sent')
  }
}

/** Header values are one line of visible ASCII. */
const headerSafe = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 256)
