// Brings submissions into the stream: pipelined publishes, tried again with the same id until the broker has said that
// it has them. Every publish demands that its subject is empty, so that no try stores a second copy. Without a connection
// they wait here, since the NATS client would drop them, and leave at once when it is back.
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import {
  fixedHeaders,
  followLink,
  type Publisher,
  type PublishOutcome,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import { HEADERS, PoolmeshError } from '@poolmesh/types'
import { unavailable } from '../requests.ts'
import type { LazyStoredTasks } from './lazy-stored-tasks.ts'
import { AWAY, gaveUp, mayPass, refusal } from './not-stored.ts'
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
/** Where nothing was ever stored for us and no stream is there for so long, poolmesh is not there. */
const NO_STREAM_MS = 10_000
const HELD_CHECK_MS = 250

/** Called once, with the first thing that is known of a publish: the next batch may leave. */
type FirstAnswer = () => void

interface Attempt {
  submission: Submission
  giveUpAt: number
  firstAnswer: FirstAnswer
}

export class Submitter implements Disposable {
  readonly #options: SubmitterOptions
  /** Of a first try, and of one that somebody may have made before. */
  readonly #fresh: MsgHdrs
  readonly #again: MsgHdrs
  readonly #pauses = new Set<NodeJS.Timeout>()
  readonly #parts = new DisposableStack()
  /** What waits for the connection. */
  readonly #held = new Map<Submission, Attempt>()
  #up = true
  #unstoredBytes = 0
  /** The broker has stored something for us: without a stream now, one was there and comes back. */
  #everStored = false
  #noStreamSince: number | null = null
  #closed = false

  constructor(options: SubmitterOptions) {
    this.#options = options
    const all = { [HEADERS.notify]: options.outstanding.inbox, [HEADERS.expectedLastSubjectSequence]: '0' }
    this.#fresh = fixedHeaders(all)
    // The header makes the executor look for stored results first; 0 means that the time is the message's own.
    this.#again = fixedHeaders({ ...all, [HEADERS.submitted]: '0' })
    this.#parts.use(followLink(options.nc, (up) => this.#linkChanged(up)))
    const timer = setInterval(() => this.#giveUpHeld(), HELD_CHECK_MS)
    this.#parts.defer(() => clearInterval(timer))
  }

  /** Of what the broker has not confirmed, whether it has been sent or not. */
  get unstoredBytes(): number {
    return this.#unstoredBytes
  }

  get isUp(): boolean {
    return this.#up
  }

  send(submission: Submission, firstAnswer: FirstAnswer = () => {}): void {
    const bytes = submission.text.length
    this.#unstoredBytes += bytes
    submission.whenReleased = () => {
      this.#unstoredBytes -= bytes
    }
    this.#options.outstanding.add(submission)
    const giveUpAt = performance.now() + this.#options.giveUpMs
    this.#try({ submission, giveUpAt, firstAnswer }, FIRST_PAUSE_MS)
  }

  /** @returns true: nobody has it but we, and it is not going to be sent */
  takeBack(submission: Submission): boolean {
    const attempt = this.#held.get(submission)
    if (!attempt || submission.unanswered > 0) return false
    this.#held.delete(submission)
    attempt.firstAnswer()
    return true
  }

  #try(attempt: Attempt, pauseMs: number): void {
    const { submission } = attempt
    if (!this.#up) {
      this.#held.set(submission, attempt)
      return
    }
    const again = submission.unanswered > 0 || submission.chosen
    this.#options.publisher.publish(
      submission.subject,
      submission.text,
      again ? this.#again : this.#fresh,
      (outcome) => {
        this.#answered(attempt, outcome, pauseMs)
        attempt.firstAnswer()
        attempt.firstAnswer = () => {}
      },
    )
  }

  #linkChanged(up: boolean): void {
    this.#up = up
    if (!up) return
    this.#noStreamSince = null
    const held = [...this.#held.values()]
    this.#held.clear()
    for (const attempt of held) void this.#tryAgain(attempt, FIRST_PAUSE_MS)
  }

  #giveUpHeld(): void {
    const now = performance.now()
    for (const attempt of this.#held.values()) {
      const { submission, giveUpAt, firstAnswer } = attempt
      if (now <= giveUpAt && submission.open > 0) continue
      this.#held.delete(submission)
      this.#fail(submission, gaveUp({ kind: 'unknown', message: AWAY }, submission, this.#options.giveUpMs))
      firstAnswer()
    }
  }

  #answered(attempt: Attempt, outcome: PublishOutcome, pauseMs: number): void {
    const { submission } = attempt
    const noStream = outcome.kind === 'unknown' && outcome.noStream === true
    if (noStream) this.#noStreamSince ??= performance.now()
    else if (outcome.kind === 'unknown') submission.unanswered++
    else this.#noStreamSince = null
    if (outcome.kind === 'stored') this.#everStored = true
    if (submission.stored || submission.open === 0) this.#options.outstanding.removeIfOver(submission)
    else if (outcome.kind === 'stored') submission.markStored()
    else if (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)) void this.#taken(submission)
    else {
      const error = this.#whyNotAgain(attempt, outcome)
      if (error) this.#fail(submission, error)
      else this.#pause(attempt, pauseMs)
    }
  }

  /** Null: it is to be tried again. */
  #whyNotAgain(
    { submission, giveUpAt }: Attempt,
    outcome: Exclude<PublishOutcome, { kind: 'stored' }>,
  ): PoolmeshError | null {
    const { nc, giveUpMs } = this.#options
    if (outcome.kind === 'refused' && !mayPass(outcome.code, submission)) return refusal(outcome)
    if (this.#closed || nc.isClosed())
      return unavailable('the connection was closed before the task was stored')
    const neverThere = !this.#everStored && this.#noStreamSince !== null
    const lastTryAt = neverThere ? Math.min(giveUpAt, (this.#noStreamSince ?? 0) + NO_STREAM_MS) : giveUpAt
    return performance.now() > lastTryAt ? gaveUp(outcome, submission, giveUpMs) : null
  }

  #pause(attempt: Attempt, pauseMs: number): void {
    const timer = setTimeout(
      () => {
        this.#pauses.delete(timer)
        void this.#tryAgain(attempt, Math.min(LONGEST_PAUSE_MS, pauseMs * 2))
      },
      pauseMs * (0.5 + Math.random()),
    )
    this.#pauses.add(timer)
  }

  /** An earlier try may have been stored, and have run and ended meanwhile: then its subject is empty again. */
  async #tryAgain(attempt: Attempt, pauseMs: number): Promise<void> {
    const { submission } = attempt
    if (this.#up && submission.unanswered > 0 && !submission.chosen) {
      if (await this.#options.stored.exists(submission.resultSubject)) {
        submission.markStored()
        attempt.firstAnswer()
        await this.#options.outstanding.lookUp(submission.id)
        return
      }
    }
    if (submission.stored || submission.open === 0) {
      this.#options.outstanding.removeIfOver(submission)
      attempt.firstAnswer()
    } else this.#try(attempt, pauseMs)
  }

  /** Its subject is not empty: an earlier try of ours was stored, or somebody has used the id. */
  async #taken(submission: Submission): Promise<void> {
    const ours = !submission.chosen || (submission.unanswered > 0 && (await this.#isOurs(submission)))
    if (!ours && !(await this.#hasEnded(submission))) {
      const message = `a task with the id ${submission.id} is already pending`
      this.#fail(submission, new PoolmeshError('CONFLICT', message))
      return
    }
    submission.markStored()
    if (!ours) await this.#options.outstanding.lookUp(submission.id)
  }

  /** Between the storing of a result and the end of its task's message there is a moment: the result stands already. */
  async #hasEnded({ resultSubject }: Submission): Promise<boolean> {
    try {
      return (await (await this.#options.stored.get()).under(resultSubject)).results.length > 0
    } catch {
      return false
    }
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
    this.#parts.dispose()
    this.#held.clear()
    for (const timer of this.#pauses) clearTimeout(timer)
    this.#pauses.clear()
  }
}
