import type { TerminalStatus } from '@poolmesh/types'
import { Histogram } from './histogram.ts'

/** What an executor has done since it started. */
export class Counters {
  readonly queueTime = new Histogram()
  readonly runTime = new Histogram()
  readonly byStatus: Record<TerminalStatus, number> = { completed: 0, failed: 0, timeout: 0, cancelled: 0 }
  /** Answers that came after the task had ended, came twice, or were for no task: counted, never stored. */
  lateAnswers = 0
  /** Tasks that a pool would not take. */
  refusals = 0
  /** Batches stored away because no pool fitted, and brought back. */
  parked = 0
  retrieved = 0

  ended(status: TerminalStatus): void {
    this.byStatus[status]++
  }
}
