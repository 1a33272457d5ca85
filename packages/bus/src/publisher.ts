// Pipelined stored publishes: one reply subscription for all, no promise a message. js.publish() costs 55 µs of Node a
// message, this 4 to 10 (docs/decisions/0001-batch-log.md).
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  type Payload,
  type Subscription,
} from '@nats-io/transport-node'
import { NOTES_AHEAD, Tickets } from '@poolmesh/types'
import { followLink } from './link.ts'

/**
 * What the broker said of a publish. `unknown`: it said nothing in time, the message may be stored or not. With
 * `noStream` it said that no stream takes the subject now, so that the message is not stored.
 */
export type PublishOutcome =
  | { kind: 'stored'; seq: number; duplicate: boolean }
  | { kind: 'refused'; code: number; message: string }
  | { kind: 'unknown'; message: string; noStream?: true }

/** Lost the compare-and-set: somebody else wrote to the subject, or is about to. */
export const WRONG_LAST_SEQUENCE = new Set([10071, 10164])
/** The stream takes no more: full by bytes, by messages, or out of storage. */
export const STREAM_FULL = new Set([10023, 10047, 10077, 10122])
/** No leader now: of the cluster, or of the stream. Nothing is stored, and a moment later it may be. */
export const NO_LEADER = new Set([10004, 10008, 10009, 10069, 10118])

interface Waiting {
  done: (outcome: PublishOutcome) => void
  deadline: number
}

export interface PublisherOptions {
  /** Milliseconds until a publish without an answer is `unknown`; default 5,000. */
  timeoutMs?: number
  /** Whether submitters are going to be told ahead: see `publish`. */
  ahead?: boolean
}

/** Publishes to streams. Owns one subscription or two, and one timer; `close()` gives them back and ends what waits as `unknown`. */
export class Publisher implements Disposable {
  readonly #nc: NatsConnection
  readonly #inbox: string
  /** Its own among those that tell submitters ahead. */
  readonly #writer = nuid.next()
  readonly #subscriptions: Subscription[]
  readonly #waiting = new Tickets<Waiting>()
  readonly #timer: NodeJS.Timeout
  readonly #link: Disposable
  readonly #timeoutMs: number

  constructor(nc: NatsConnection, options: PublisherOptions = {}) {
    this.#nc = nc
    this.#timeoutMs = options.timeoutMs ?? 5_000
    this.#inbox = `${createInbox()}.`
    const listening = {
      callback: (error: Error | null, message: Msg) => {
        if (!error) this.#hear(message)
      },
    }
    const subjects = [`${this.#inbox}*`, ...(options.ahead ? [NOTES_AHEAD.confirmed(this.#writer)] : [])]
    this.#subscriptions = subjects.map((subject) => nc.subscribe(subject, listening))
    this.#timer = setInterval(() => this.#expire(), 250)
    this.#link = followLink(nc, (up) => {
      if (up) this.#endAll('the connection was cut before the answer came')
    })
  }

  /** How many publishes have no answer yet. */
  get outstanding(): number {
    return this.#waiting.size
  }

  /**
   * `done` is called exactly once. Never throws: a message that cannot be sent ends as `unknown` or `refused`.
   * @param ahead what the subjects of a submitter begin with (NOTES_AHEAD), who gets the content before it is stored, and
   * hears of the broker itself whether it is
   */
  publish(
    subject: string,
    data: Payload,
    headers: MsgHdrs | undefined,
    done: (outcome: PublishOutcome) => void,
    ahead: string | null = null,
  ): void {
    const ticket = this.#waiting.add({ done, deadline: performance.now() + this.#timeoutMs })
    const reply = ahead ? NOTES_AHEAD.stored(ahead, this.#writer, ticket) : `${this.#inbox}${ticket}`
    const bytes = bytesOf(data)
    try {
      this.#nc.publish(subject, bytes, headers ? { reply, headers } : { reply })
    } catch (error) {
      this.#waiting.take(ticket)
      const message = (error as Error).message
      queueMicrotask(() =>
        done(
          /max_payload/i.test(message)
            ? { kind: 'refused', code: 413, message }
            : { kind: 'unknown', message },
        ),
      )
    }
    if (ahead) this.tell(NOTES_AHEAD.told(ahead, this.#writer, ticket), bytes)
  }

  #hear(message: Msg): void {
    const { subject } = message
    const waiting = this.#waiting.take(Number(subject.slice(subject.lastIndexOf('.') + 1)))
    waiting?.done(publishOutcome(message))
  }

  store(subject: string, data: Payload, headers?: MsgHdrs): Promise<PublishOutcome> {
    return new Promise((resolve) => this.publish(subject, data, headers, resolve))
  }

  /** Tells somebody something that is not stored: no answer is awaited. */
  tell(subject: string, data: Payload): void {
    try {
      this.#nc.publish(subject, bytesOf(data))
    } catch {
      // Too large, not a subject, or the connection is gone: whoever was to be told asks after a silence.
    }
  }

  #expire(): void {
    const now = performance.now()
    // Insertion order is deadline order, so the first that is not due ends the walk.
    for (const [ticket, waiting] of this.#waiting.entries()) {
      if (waiting.deadline > now) return
      this.#waiting.take(ticket)
      waiting.done({ kind: 'unknown', message: `no answer within ${this.#timeoutMs} ms` })
    }
  }

  #endAll(message: string): void {
    for (const { done } of this.#waiting.takeAll()) done({ kind: 'unknown', message })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#link[Symbol.dispose]()
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    this.#endAll('the connection was closed')
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** From Node's pool of buffers: less than half of what the client's TextEncoder costs for a message of some hundred bytes. */
const bytesOf = (data: Payload): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data)

/** What the broker says of a publish. */
export const publishOutcome = (message: Msg): PublishOutcome =>
  storedAt(message.data) ?? outcomeOf(message.headers?.code ?? 0, message)

const BEGIN = Buffer.from('{"stream":')
const SEQUENCE = Buffer.from(',"seq":')
const [ZERO, NINE, BRACE] = [0x30, 0x39, 0x7d]

/**
 * What nearly every answer is, read without making anything of it: `{"stream":"…","seq":n}`.
 * @returns null: it is something else, or says more
 */
function storedAt(data: Uint8Array): PublishOutcome | null {
  let at = data.length - 1
  if (data[at] !== BRACE || !isAt(data, 0, BEGIN)) return null
  let seq = 0
  let scale = 1
  for (at--; at > 0; at--) {
    const digit = data[at] as number
    if (digit < ZERO || digit > NINE) break
    seq += scale * (digit - ZERO)
    scale *= 10
  }
  if (seq === 0 || !isAt(data, at + 1 - SEQUENCE.length, SEQUENCE)) return null
  return { kind: 'stored', seq, duplicate: false }
}

function isAt(data: Uint8Array, start: number, what: Uint8Array): boolean {
  for (let i = 0; i < what.length; i++) if (data[start + i] !== what[i]) return false
  return true
}

/** `{"stream":"…","seq":n}` or `{"error":{…}}`; a 503 says that no stream listens to the subject. */
function outcomeOf(status: number, message: Msg): PublishOutcome {
  if (status === 503)
    return {
      kind: 'unknown',
      message: 'no stream takes this subject now (JetStream is not up)',
      noStream: true,
    }
  try {
    const answer = message.json<{
      seq?: number
      duplicate?: boolean
      error?: { err_code?: number; code?: number; description?: string }
    }>()
    if (answer.error)
      return {
        kind: 'refused',
        code: answer.error.err_code ?? answer.error.code ?? 0,
        message: answer.error.description ?? 'refused',
      }
    return { kind: 'stored', seq: answer.seq ?? 0, duplicate: answer.duplicate === true }
  } catch {
    return { kind: 'unknown', message: 'the broker’s answer makes no sense' }
  }
}
