import type { ErrorCode, RoutingStrategy, TerminalStatus } from '@poolmesh/types'
import { Histogram } from './histogram.ts'

/** Types of task that are counted by name, first come first; the others together: submitters can make up any number. */
const NAMED_TYPES = 50
const OTHER_TYPES = 'other'

type ByStatus = Record<TerminalStatus, number>
const noneYet = (): ByStatus => ({ completed: 0, failed: 0, timeout: 0, cancelled: 0 })

/** How a run was over, as far as it is known here. */
export type RunOutcome = TerminalStatus | 'invalid' | 'refused' | 'gone' | 'lost'

/** What an executor has done since it started. */
export class Counters {
  readonly queueTime = new Histogram()
  readonly runTime = new Histogram()
  readonly byStatus = noneYet()
  readonly byStrategy = new Map<RoutingStrategy, ByStatus>()
  /** By type of task, bounded; what was no task is in none. */
  readonly byType = new Map<string, ByStatus>()
  readonly runs: Record<RunOutcome, number> = { ...noneYet(), invalid: 0, refused: 0, gone: 0, lost: 0 }
  /** Runs after which the task went on, elsewhere or later, by why. */
  readonly retries = new Map<ErrorCode, number>()
  /** Answers that came after the task had ended, came twice, or were for no task: counted, never stored. */
  lateAnswers = 0
  /** Tasks that a pool would not take. */
  refusals = 0
  /** Batches stored away because no pool fitted, and brought back. */
  parked = 0
  retrieved = 0

  /** @param task null: what was submitted is none */
  ended(status: TerminalStatus, task: { task_type: string; routing_strategy: RoutingStrategy } | null): void {
    this.byStatus[status]++
    if (task === null) return
    let strategy = this.byStrategy.get(task.routing_strategy)
    if (!strategy) {
      strategy = noneYet()
      this.byStrategy.set(task.routing_strategy, strategy)
    }
    strategy[status]++
    const type = this.byType.get(task.task_type) ?? this.#newType(task.task_type)
    type[status]++
  }

  #newType(name: string): ByStatus {
    const counted = this.byType.size < NAMED_TYPES ? name : OTHER_TYPES
    const type = this.byType.get(counted) ?? noneYet()
    this.byType.set(counted, type)
    return type
  }

  retried(reason: ErrorCode): void {
    this.retries.set(reason, (this.retries.get(reason) ?? 0) + 1)
  }
}
