// Pools on the bus: a request on `pool.health.<name>`. A pool need not answer it as long as it takes work.
import type { JetStreamManager } from '@nats-io/jetstream'
import { errors, type Msg, type NatsConnection, nuid } from '@nats-io/transport-node'
import { hasInterest } from '@poolmesh/bus'
import { healthSubject, poolHealthAnswerSchema, workSubject } from '@poolmesh/types'
import { Gate } from './gate.ts'
import type { Finding, HealthProbe, ProbeTarget } from './probe.ts'

/** Asking for interest costs the broker a consumer, so few at a time. */
const INTEREST_AT_ONCE = 16
/** Nobody at all is answered within a round trip; waiting longer means that somebody listens. */
const CANARY_MS = 1_000

type Reply =
  | { kind: 'message'; message: Msg }
  | { kind: 'nobody' | 'timed_out' }
  | { kind: 'broken'; error: string }

const failed = (reason: 'no_answer' | 'timed_out' | 'invalid_answer' | 'gone', error: string): Finding => ({
  kind: 'failed',
  reason,
  error,
  absent: reason === 'gone',
})

export class BusProbe implements HealthProbe {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #interest = new Gate(INTEREST_AT_ONCE)

  constructor(nc: NatsConnection, jsm: JetStreamManager) {
    this.#nc = nc
    this.#jsm = jsm
  }

  async check(target: ProbeTarget, timeoutMs: number): Promise<Finding> {
    const startedAt = performance.now()
    const reply = await this.#ask(healthSubject(target.name), timeoutMs)
    switch (reply.kind) {
      case 'message':
        return readAnswer(reply.message, performance.now() - startedAt)
      case 'nobody':
        return await this.#presence(target)
      case 'timed_out':
        // Who watches all subjects keeps the broker from saying that a pool has no answer to give.
        if (!target.answersHealth && (await this.#everythingIsHeard(timeoutMs)))
          return await this.#presence(target)
        return failed('timed_out', `no answer within ${timeoutMs / 1000} s`)
      case 'broken':
        return { kind: 'inconclusive', error: reply.error }
    }
  }

  /** For a pool that gave no answer to its health: is anybody there to take its work? */
  async #presence({ name, answersHealth }: ProbeTarget): Promise<Finding> {
    let taken: boolean
    try {
      taken = await this.#interest.run(() => hasInterest(this.#jsm, workSubject(name), name))
    } catch (error) {
      return { kind: 'inconclusive', error: (error as Error).message }
    }
    if (!taken) return failed('gone', 'nobody subscribes to the health or the work of the pool')
    return answersHealth
      ? failed('no_answer', 'the pool no longer answers health checks')
      : { kind: 'present' }
  }

  /** Whether somebody subscribes to the health of pools that do not exist, as a logger of all subjects does. */
  async #everythingIsHeard(timeoutMs: number): Promise<boolean> {
    const reply = await this.#ask(healthSubject(`nobody-${nuid.next()}`), Math.min(CANARY_MS, timeoutMs))
    return reply.kind === 'timed_out' || reply.kind === 'message'
  }

  async #ask(subject: string, timeoutMs: number): Promise<Reply> {
    try {
      return { kind: 'message', message: await this.#nc.request(subject, '', { timeout: timeoutMs }) }
    } catch (error) {
      if (error instanceof errors.TimeoutError) return { kind: 'timed_out' }
      if (error instanceof errors.RequestError && error.isNoResponders()) return { kind: 'nobody' }
      return { kind: 'broken', error: (error as Error).message }
    }
  }
}

function readAnswer(message: Msg, responseMs: number): Finding {
  let value: unknown
  try {
    value = message.json()
  } catch {
    return failed('invalid_answer', 'the answer is not JSON')
  }
  const answer = poolHealthAnswerSchema.safeParse(value)
  if (answer.success) return { kind: 'answered', status: answer.data.status, responseMs }
  const path = answer.error.issues[0]?.path[0]
  // The field is one of ours, so there are few texts.
  return failed(
    'invalid_answer',
    path === undefined ? 'the answer is no object' : `the answer is not valid at ${String(path)}`,
  )
}
