import type { ClientCommands } from '../scenarios/workload.ts'

export interface OfferedLoad {
  perSecond: number
  seconds: number
}

/** Commands of every client that is compared. */
export interface CompareCommands extends ClientCommands {
  /** Nobody runs them: seconds until all are stored. */
  submitOnly(job: { tasks: number }): Promise<number>
  /** Milliseconds of each task, from when it was due. */
  offered(load: OfferedLoad): Promise<number[]>
}
