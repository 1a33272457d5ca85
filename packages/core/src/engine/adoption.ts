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
}

/** More answers than pools keep; a bound for what anybody can make us keep. */
const MAX_ANSWERS = 200_000
const NOTHING: Known = { run: null, answers: [], past: null }

export class Adoption {
  readonly #runs = new Map<string, KnownRun>()
  readonly #answers = new Map<string, EarlyAnswer[]>()
  readonly #pasts = new Map<string, Past>()
  #answerCount = 0

  /** Of several runs of a task the last one counts. */
  run(taskId: string, run: KnownRun): void {
    const known = this.#runs.get(taskId)
    if (!known || known.attempt <= run.attempt) this.#runs.set(taskId, run)
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
    const run = this.#runs.get(taskId)
    const answers = this.#answers.get(taskId)
    const past = this.#pasts.get(taskId)
    if (!run && !answers && !past) return NOTHING
    this.#runs.delete(taskId)
    this.#answers.delete(taskId)
    this.#pasts.delete(taskId)
    return { run: run ?? null, answers: answers ?? [], past: past ?? null }
  }

  /** @returns the runs that no task asked for: it has ended, and the pool works for nothing */
  close(): [taskId: string, run: KnownRun][] {
    const left = [...this.#runs].filter(
      ([taskId, run]) => !this.#answers.get(taskId)?.some((early) => early.attempt === run.attempt),
    )
    this.#runs.clear()
    this.#answers.clear()
    this.#pasts.clear()
    this.#answerCount = 0
    return left
  }
}
