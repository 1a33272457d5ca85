// What is the same for all peers: how their clients submit and wait, and how their workers count.
import { randomUUID } from 'node:crypto'
import type { ThroughputJob, ThroughputOutcome } from '../scenarios/workload.ts'

/** Bulk adds that are under way at once. */
const ADDERS = 4
/** What a worker runs at once. */
export const CONCURRENCY = 100
export const QUEUE = 'bench'

export interface PeerOptions {
  /** The same job: the result is stored and the submitter told. Else the system as it is: a task has run, and that is all. */
  told: boolean
}
export interface PeerClientCommands {
  /** Waits for the results where they are told; else until all tasks are stored. */
  throughput(job: ThroughputJob): Promise<ThroughputOutcome>
}
export interface PeerWorkerCommands {
  /** Resolves when so many tasks have been completed since the last call. */
  completed(tasks: number): Promise<number>
}

/** Submits with own ids; whoever hears of results calls `heard`. */
export class Submitter {
  readonly #open = new Set<string>()
  #results = 0
  #room: (() => void)[] = []

  heard(id: string): void {
    this.#results++
    if (!this.#open.delete(id)) return
    const waiting = this.#room
    this.#room = []
    for (const go of waiting) go()
  }

  /** @param add stores tasks with these ids, in one call */
  async run(
    { tasks, batchSize, window }: ThroughputJob,
    told: boolean,
    add: (ids: string[]) => Promise<unknown>,
  ): Promise<ThroughputOutcome> {
    this.#results = 0
    this.#open.clear()
    let left = tasks
    const begun = performance.now()
    const adder = async (): Promise<void> => {
      while (left > 0) {
        const size = Math.min(batchSize, left)
        if (told && this.#open.size > 0 && this.#open.size + size > window) {
          await this.#change()
          continue
        }
        left -= size
        const ids = Array.from({ length: size }, () => randomUUID() as string)
        if (told) for (const id of ids) this.#open.add(id)
        await add(ids)
      }
    }
    await Promise.all(Array.from({ length: ADDERS }, adder))
    while (this.#open.size > 0) await this.#change()
    const seconds = (performance.now() - begun) / 1000
    const distinct = told ? tasks - this.#open.size : 0
    return { seconds, results: this.#results, distinct, completed: this.#results }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#room.push(resolve))
  }
}

export class Counter implements PeerWorkerCommands {
  #done = 0
  #wanted = Number.POSITIVE_INFINITY
  #reached: (() => void) | null = null

  add(tasks: number): void {
    this.#done += tasks
    if (this.#done >= this.#wanted) this.#reached?.()
  }

  async completed(tasks: number): Promise<number> {
    this.#wanted = tasks
    if (this.#done < tasks)
      await new Promise<void>((resolve) => {
        this.#reached = resolve
      })
    const done = this.#done
    this.#done = 0
    this.#wanted = Number.POSITIVE_INFINITY
    return done
  }
}
