// Brings submissions into the stream: pipelined publishes, tried again with the same id until the broker has said that
// it has them. Every publish demands that its subject is empty, so that no try stores a second copy.
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { type Publisher, type PublishOutcome, STREAM_FULL, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import { HEADERS, PoolmeshError } from '@poolmesh/types'
import { unavailable } from '../requests.ts'
import type { LazyStoredTasks } from './lazy-stored-tasks.ts'
import type { OutstandingTasks } from './outstanding.ts'
import type { Submission } from './submission.ts'

export interface SubmitterOptions {
  nc: NatsConnection
  publisher: Publisher
  stored: LazyStoredTasks
  outstanding: OutstandingTasks
  /** Milliseconds after which a submission that nobody confirmed fails. */
  giveUpMs: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** A broker that starts needs this long at most for its streams; without them after that, poolmesh was never there. */
const NO_STREAM_MS = 10_000

/** Called once, with the first thing that is known of a publish: the next batch may leave. */
type FirstAnswer = () => void

export class Submitter implements Disposable {
  readonly #options: SubmitterOptions
  /** Of a first try, and of one that somebody may have made before. */
  readonly #fresh: MsgHdrs
  readonly #again: MsgHdrs
  readonly #pauses = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(options: SubmitterOptions) {
    this.#options = options
    const make = (): MsgHdrs => {
      const h = headers()
      h.set(HEADERS.notify, options.outstanding.inbox)
      h.set(HEADERS.expectedLastSubjectSequence, '0')
      return h
    }
    this.#fresh = make()
    this.#again = make()
    // The header makes the executor look for stored results first; 0 means that the time is the message's own.
    this.#again.set(HEADERS.submitted, '0')
  }

  send(submission: Submission, firstAnswer: FirstAnswer = () => {}): void {
    this.#options.outstanding.add(submission)
    this.#try(submission, performance.now() + this.#options.giveUpMs, FIRST_PAUSE_MS, firstAnswer)
  }

  #try(submission: Submission, giveUpAt: number, pauseMs: number, firstAnswer: FirstAnswer): void {
    const again = submission.unanswered > 0 || submission.chosen
    this.#options.publisher.publish(
      submission.subject,
      submission.text,
      again ? this.#again : this.#fresh,
      (outcome) => {
        this.#answered(submission, outcome, giveUpAt, pauseMs)
        firstAnswer()
      },
    )
  }

  #answered(submission: Submission, outcome: PublishOutcome, giveUpAt: number, pauseMs: number): void {
    if (outcome.kind === 'unknown' && !outcome.noStream) submission.unanswered++
    if (submission.stored || submission.open === 0) this.#options.outstanding.removeIfOver(submission)
    else if (outcome.kind === 'stored') submission.markStored()
    else if (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)) void this.#taken(submission)
    else {
      const error = this.#whyNotAgain(submission, outcome, giveUpAt)
      if (error) this.#fail(submission, error)
      else this.#pause(submission, giveUpAt, pauseMs)
    }
  }

  /** Null: it is to be tried again. */
  #whyNotAgain(
    submission: Submission,
    outcome: Exclude<PublishOutcome, { kind: 'stored' }>,
    giveUpAt: number,
  ): PoolmeshError | null {
    const { nc, giveUpMs } = this.#options
    if (outcome.kind === 'refused' && !(STREAM_FULL.has(outcome.code) && submission.patient))
      return refusal(outcome)
    if (this.#closed || nc.isClosed())
      return unavailable('the connection was closed before the task was stored')
    const noStream = outcome.kind === 'unknown' && outcome.noStream === true
    const lastTryAt = noStream ? giveUpAt - Math.max(0, giveUpMs - NO_STREAM_MS) : giveUpAt
    return performance.now() > lastTryAt ? gaveUp(outcome, giveUpMs) : null
  }

  #pause(submission: Submission, giveUpAt: number, pauseMs: number): void {
    const timer = setTimeout(
      () => {
        this.#pauses.delete(timer)
        void this.#tryAgain(submission, giveUpAt, Math.min(LONGEST_PAUSE_MS, pauseMs * 2))
      },
      pauseMs * (0.5 + Math.random()),
    )
    this.#pauses.add(timer)
  }

  /** An earlier try may have been stored, and have run and ended meanwhile: then its subject is empty again. */
  async #tryAgain(submission: Submission, giveUpAt: number, pauseMs: number): Promise<void> {
    if (submission.unanswered > 0 && !submission.chosen) {
      if (await this.#options.stored.exists(submission.resultSubject)) {
        submission.markStored()
        await this.#options.outstanding.lookUp(submission.id)
        return
      }
    }
    if (submission.stored || submission.open === 0) this.#options.outstanding.removeIfOver(submission)
    else this.#try(submission, giveUpAt, pauseMs, () => {})
  }

  /** Its subject is not empty: an earlier try of ours was stored, or somebody has used the id. */
  async #taken(submission: Submission): Promise<void> {
    const ours = !submission.chosen || (submission.unanswered > 0 && (await this.#isOurs(submission)))
    if (ours) submission.markStored()
    else
      this.#fail(
        submission,
        new PoolmeshError('CONFLICT', `a task with the id ${submission.id} is already pending`),
      )
  }

  async #isOurs(submission: Submission): Promise<boolean> {
    try {
      const found = await (await this.#options.stored.get()).submission(submission.id)
      // Gone already: it has ended, and a result that is stored stands, whoever submitted first.
      return found === null || found.headers?.get(HEADERS.notify) === this.#options.outstanding.inbox
    } catch {
      return false
    }
  }

  #fail(submission: Submission, error: PoolmeshError): void {
    submission.failOpen(() => error)
    this.#options.outstanding.removeIfOver(submission)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const timer of this.#pauses) clearTimeout(timer)
    this.#pauses.clear()
  }
}

function refusal({ code, message }: PublishOutcome & { kind: 'refused' }): PoolmeshError {
  if (STREAM_FULL.has(code))
    return new PoolmeshError(
      'OVERLOADED',
      `the stream of pending tasks takes no more (${message}): try again later`,
    )
  if (code === 413) return new PoolmeshError('PAYLOAD_TOO_LARGE', message)
  return unavailable(`the broker refused the task: ${message} (${code})`)
}

function gaveUp(outcome: Exclude<PublishOutcome, { kind: 'stored' }>, giveUpMs: number): PoolmeshError {
  if (outcome.kind === 'refused') return refusal(outcome)
  if (outcome.noStream)
    return unavailable(
      `nobody stores tasks there: ${outcome.message}. Start poolmesh with \`npm start\`, or one executor with \`npm run service -- executor\``,
    )
  return new PoolmeshError(
    'DEADLINE_EXCEEDED',
    `the broker did not confirm the task within ${giveUpMs / 1000} s, so it may be stored or not: ${outcome.message}`,
  )
}
