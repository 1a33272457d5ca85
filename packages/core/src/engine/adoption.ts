// What an earlier owner of the tasks had begun: gathered when an executor takes over, and used as the tasks come in.
import type { Answer } from './outcome.ts'
import type { Entry } from './records.ts'

/** A run that goes on in a pool. */
export interface KnownRun {
  pool: string
  attempt: number
  /** Milliseconds since the epoch. */
  startedAt: number
  /** False: it was going on once, but its answer may have been missed. It is tried again, while its slot stays taken. */
  certain: boolean
  /** Seconds that its task allows a run, where that is known. */
  timeout?: number | undefined
}

/** What has happened to a task that is not over. */
export interface Past {
  runs: number
  /** The run of that number, and all before it, were dealt with: an answer of theirs can complete the task and nothing else. */
  over: number
  attempts: number
  losses: number
  history: Entry['history']
}

/** An answer that came before its task did. */
export interface EarlyAnswer {
  pool: string
  attempt: number
  answer: Answer
}

export interface Known {
  run: KnownRun | null
  answers: readonly EarlyAnswer[]
  past: Past | null
  /** The highest number of a run that is known of, also of one that is over; 0: none is. */
  seen: number
}

/** The run is over, and its slot is free. */
export const isAnswered = (run: KnownRun, answers: readonly EarlyAnswer[]): boolean =>
  answers.some(({ pool, attempt }) => pool === run.pool && attempt === run.attempt)

/** More answers than pools keep; a bound for what anybody can make us keep. */
const MAX_ANSWERS = 200_000
const NOTHING: Known = { run: null, answers: [], past: null, seen: 0 }

export class Adoption {
  /** By task; the last one counts, the others were given up and may hold a slot. */
  readonly #runs = new Map<string, KnownRun[]>()
  /** Of tasks that have come in, or come in no more. */
  #givenUp: [taskId: string, run: KnownRun][] = []
  readonly #answers = new Map<string, EarlyAnswer[]>()
  readonly #pasts = new Map<string, Past>()
  readonly #seen = new Map<string, number>()
  #answerCount = 0
  /** Runs of a task that may have been begun and that nobody knows of: their numbers are not given again. */
  unseen = 0

  /** A run of that number was begun, and may be over. */
  seen(taskId: string, attempt: number): void {
    this.#seen.set(taskId, Math.max(attempt, this.#seen.get(taskId) ?? 0))
  }

  /** Begins anew. */
  open(): void {
    this.close()
    this.#seen.clear()
    this.unseen = 0
  }

  /** Of several runs of a task the last one counts; of one that is told twice, what was told last. */
  run(taskId: string, run: KnownRun): void {
    const others = this.#runs
      .get(taskId)
      ?.filter((known) => known.attempt !== run.attempt || known.pool !== run.pool)
    this.#runs.set(
      taskId,
      [...(others ?? []), run].sort((a, b) => a.attempt - b.attempt),
    )
  }

  answer(taskId: string, early: EarlyAnswer): void {
    if (this.#answerCount >= MAX_ANSWERS) return
    this.#answerCount++
    const answers = this.#answers.get(taskId)
    if (answers) answers.push(early)
    else this.#answers.set(taskId, [early])
  }

  past(taskId: string, past: Past): void {
    this.#pasts.set(taskId, past)
  }

  /** What is known of the task, once. */
  take(taskId: string): Known {
    const runs = this.#runs.get(taskId)
    const answers = this.#answers.get(taskId)
    const past = this.#pasts.get(taskId)
    const seen = this.#seen.get(taskId)
    if (!runs && !answers && !past && !seen) return NOTHING
    const run = runs?.pop() ?? null
    this.#giveUp(taskId, runs)
    this.#runs.delete(taskId)
    this.#answers.delete(taskId)
    this.#pasts.delete(taskId)
    this.#seen.delete(taskId)
    return { run, answers: answers ?? [], past: past ?? null, seen: seen ?? 0 }
  }

  /** An answer gives the slot back. */
  #giveUp(taskId: string, runs: readonly KnownRun[] = []): void {
    const answers = this.#answers.get(taskId) ?? []
    for (const run of runs) if (!isAnswered(run, answers)) this.#givenUp.push([taskId, run])
  }

  /**
   * @returns `unwanted`: the runs that no task asked for: it has ended, and the pool works for nothing; `givenUp`: older runs
   *   of tasks that run elsewhere
   */
  close(): { unwanted: [taskId: string, run: KnownRun][]; givenUp: [taskId: string, run: KnownRun][] } {
    const givenUp = this.#givenUp
    this.#givenUp = []
    for (const [taskId, runs] of this.#runs) {
      this.#giveUp(taskId, runs)
      // Should the task come in all the same, it goes on with the next number.
      for (const { attempt } of runs) this.seen(taskId, attempt)
    }
    for (const [taskId, { runs }] of this.#pasts) this.seen(taskId, runs)
    const unwanted = this.#givenUp
    this.#givenUp = []
    this.#runs.clear()
    this.#answers.clear()
    this.#pasts.clear()
    this.#answerCount = 0
    return { unwanted, givenUp }
  }
}
