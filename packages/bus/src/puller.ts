// Takes messages from a consumer at the pace of whoever uses them: as many are asked for as there is room, so that
// nothing is prefetched that would only use up its ack_wait. One subscription, no promise a message.
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nanos,
  type Subscription,
} from '@nats-io/transport-node'
import { maxPayload } from './service.ts'

/** A message of a stream that somebody has in hand. */
export interface TaskMessage {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: MsgHdrs | undefined
  /** 1 the first time, more when somebody had it before. */
  readonly deliveries: number
  /** Its sequence in the stream. */
  readonly sequence: number
  /** Milliseconds since the epoch, by the broker's clock. */
  readonly at: number
  text(): string
  /** Takes it out of the stream. */
  ack(): void
  /** Hands it back; somebody gets it again, after the delay if one is given. */
  nak(delayMs?: number): void
  /** Keeps it for another ack_wait. */
  working(): void
  /** Lets go of its content, which has been read: nothing but its ending is still to be said. */
  release?(): void
}

/** Where the tokens of an ack subject begin; enough for any. */
const starts = new Int32Array(16)

/**
 * ADR-15: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or with domain and account
 * before the stream and a token after. Nothing is made of it but the numbers.
 */
function readAck(reply: string): { deliveries: number; sequence: number; at: number } {
  let tokens = 1
  for (let i = 0; i < reply.length && tokens < starts.length; i++)
    if (reply.charCodeAt(i) === 0x2e) starts[tokens++] = i + 1
  if (tokens < 9) return { deliveries: 1, sequence: 0, at: 0 }
  const offset = tokens > 9 ? 2 : 0
  const numberAt = (token: number, without = 0): number => {
    const end = (starts[token + 1] as number) - 1 - without
    let value = 0
    for (let i = starts[token] as number; i < end; i++) value = 10 * value + reply.charCodeAt(i) - 0x30
    return value
  }
  return {
    deliveries: numberAt(4 + offset),
    sequence: numberAt(5 + offset),
    // Nanoseconds without their last six digits.
    at: numberAt(7 + offset, 6),
  }
}

const EMPTY = new Uint8Array(0)
const ACK = Buffer.from('+ACK')
const WORKING = Buffer.from('+WPI')

/** A message of a stream as it was delivered. */
export class PulledMessage implements TaskMessage {
  readonly #nc: NatsConnection
  readonly #reply: string
  /** Null once its content has been let go of. */
  #msg: Msg | null
  readonly subject: string
  readonly deliveries: number
  readonly sequence: number
  readonly at: number

  constructor(nc: NatsConnection, msg: Msg) {
    this.#nc = nc
    this.#msg = msg
    this.#reply = msg.reply ?? ''
    this.subject = msg.subject
    const { deliveries, sequence, at } = readAck(this.#reply)
    this.deliveries = deliveries
    this.sequence = sequence
    this.at = at
  }

  get data(): Uint8Array {
    return this.#msg?.data ?? EMPTY
  }

  get headers(): MsgHdrs | undefined {
    return this.#msg?.headers
  }

  text(): string {
    return this.#msg?.string() ?? ''
  }

  release(): void {
    this.#msg = null
  }

  ack(): void {
    this.#say(ACK)
  }

  nak(delayMs = 0): void {
    this.#say(delayMs > 0 ? `-NAK {"delay": ${nanos(delayMs)}}` : '-NAK')
  }

  working(): void {
    this.#say(WORKING)
  }

  #say(what: string | Uint8Array): void {
    if (this.#reply !== '' && !this.#nc.isClosed()) this.#nc.publish(this.#reply, what)
  }
}

export interface PullerOptions {
  stream: string
  consumer: string
  /** How many more messages may come now; asked before each request. */
  room(): number
  onMessage(message: PulledMessage): void
  /** The consumer is not there, and has not been for seconds. */
  onMissing?(): void
}

const MAX_REQUEST = 1_000
/**
 * What one request may bring, in bytes: a thousand large messages at once would be more than the server keeps for a connection
 * (64 MiB), which it then cuts. A message that is larger than a request never comes.
 */
const MAX_REQUEST_BYTES = 8 * 1024 ** 2
const EXPIRES_MS = 30_000
const IDLE_HEARTBEAT_MS = 5_000
/** Two heartbeats missed: the request is taken to be lost. */
const SILENCE_MS = 12_000
/** Answers in a row that nobody serves the consumer, about one a second: longer than a server takes to be up again. */
const MISSING_TIMES = 5

export class Puller implements Disposable {
  readonly #nc: NatsConnection
  readonly #options: PullerOptions
  readonly #inbox: string
  readonly #subscription: Subscription
  readonly #timer: NodeJS.Timeout
  readonly #api: string
  #outstanding = 0
  #heard = performance.now()
  #stopped = false
  #missing = 0

  constructor(nc: NatsConnection, options: PullerOptions) {
    this.#nc = nc
    this.#options = options
    this.#inbox = createInbox()
    this.#api = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`
    this.#subscription = nc.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (!error) this.#receive(message)
      },
    })
    this.#timer = setInterval(() => this.#watch(), 1_000)
    this.nudge()
  }

  /** There may be more room than before. */
  nudge(): void {
    if (this.#stopped) return
    const room = Math.min(MAX_REQUEST, Math.floor(this.#options.room()))
    if (room <= 0 || this.#outstanding > room / 2) return
    const batch = room - this.#outstanding
    this.#outstanding += batch
    this.#heard = performance.now()
    this.#nc.publish(
      this.#api,
      JSON.stringify({
        batch,
        max_bytes: Math.max(MAX_REQUEST_BYTES, 2 * maxPayload(this.#nc)),
        expires: nanos(EXPIRES_MS),
        idle_heartbeat: nanos(IDLE_HEARTBEAT_MS),
      }),
      { reply: this.#inbox },
    )
  }

  /** After a reconnect: what was asked for will not come any more. */
  reset(): void {
    this.#outstanding = 0
    this.nudge()
  }

  #receive(message: Msg): void {
    this.#heard = performance.now()
    const code = message.headers?.code ?? 0
    if (code !== 0 && message.data.length === 0) {
      this.#missing = code === 503 ? this.#missing + 1 : 0
      // 100: a heartbeat. 404, 408, 409: the request is over; the header says how much of it was left.
      if (code === 100) return
      const left = Number(message.headers?.get('Nats-Pending-Messages') || Number.NaN)
      this.#outstanding = Number.isNaN(left) ? 0 : Math.max(0, this.#outstanding - left)
      // 503 and the like: nobody serves the consumer now; the watch asks again.
      if (code === 404 || code === 408 || code === 409) this.nudge()
      else if (this.#missing > 0 && this.#missing % MISSING_TIMES === 0) this.#options.onMissing?.()
      return
    }
    this.#missing = 0
    this.#outstanding = Math.max(0, this.#outstanding - 1)
    if (this.#stopped) new PulledMessage(this.#nc, message).nak()
    else this.#options.onMessage(new PulledMessage(this.#nc, message))
    this.nudge()
  }

  #watch(): void {
    if (this.#outstanding > 0 && performance.now() - this.#heard > SILENCE_MS) this.#outstanding = 0
    this.nudge()
  }

  /**
   * Asks for no more; what is under way is handed back. Once it resolves the server knows that nobody listens here, so
   * that what was asked for before goes to others. Wait for it before handing back what is held.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearInterval(this.#timer)
    // A connection that is closed or lost has nothing under way.
    await this.#subscription.drain().catch(() => {})
  }

  [Symbol.dispose](): void {
    void this.stop()
    this.#subscription.unsubscribe()
  }
}
