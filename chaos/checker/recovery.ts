// How long it took from a fault until work was done again that needed what was hit:
//  executor, broker   the first task that begins to run later than the fault (and 100 ms, for what was on its way) and whose
//                     completed result is stored: it was dispatched, answered and stored after the fault
//  a pool             the same, run by that pool
//  distributor        the first fan-out acknowledged after the fault that completes
//  registry, monitor  the first request begun after the fault that is answered
//  submitter          the first acknowledgement that it gets after the fault
// So the time for which a process stays killed or paused is part of it, wherever no other process can do its work.
import type { Role, Written } from '../history/events.ts'
import type { Task } from './model.ts'

const ON_ITS_WAY_MS = 100

interface Open {
  role: Role
  name: string
  kind: string
  at: number
  downMs: number | null
  n: number
}

export interface RecoveryRow {
  kind: string
  count: number
  /** Milliseconds, and when the fault was. */
  recovered: { ms: number; at: number }[]
  never: number
  longestDownMs: number
}

export class Recovery {
  readonly #open = new Set<Open>()
  readonly #byNumber = new Map<number, Open>()
  readonly #rows = new Map<string, RecoveryRow>()

  fault(event: Written & { e: 'fault' }): void {
    const { n, role, name, action, leads, t } = event
    const kind = `${role}${leads ? ' (dispatching)' : ''} ${action}`
    const open: Open = { role, name, kind, at: t, downMs: null, n }
    this.#open.add(open)
    this.#byNumber.set(n, open)
    const row = this.#rows.get(kind) ?? { kind, count: 0, recovered: [], never: 0, longestDownMs: 0 }
    row.count++
    this.#rows.set(kind, row)
  }

  repaired(n: number, at: number): void {
    const fault = this.#byNumber.get(n)
    const row = fault && this.#rows.get(fault.kind)
    if (row) row.longestDownMs = Math.max(row.longestDownMs, at - fault.at)
    this.#byNumber.delete(n)
  }

  completed(task: Task, pool: string | null, at: number): void {
    const begun = task.lastBegin
    for (const fault of this.#open) {
      const { role } = fault
      const after = begun !== null && begun.at > fault.at + ON_ITS_WAY_MS
      const done =
        role === 'executor' || role === 'broker'
          ? after
          : role === 'distributor'
            ? task.kind === 'o' && task.ackedAt !== null && task.ackedAt > fault.at
            : after &&
              (role === 'worker-pool' || role === 'plain-pool' || role === 'http-pool') &&
              fault.name === pool &&
              begun.pool === pool
      if (done) this.#close(fault, at)
    }
  }

  answered(role: Role, from: number, at: number): void {
    for (const fault of this.#open) if (fault.role === role && from > fault.at) this.#close(fault, at)
  }

  acknowledged(by: string, at: number): void {
    for (const fault of this.#open)
      if (fault.role === 'submitter' && fault.name === by) this.#close(fault, at)
  }

  #close(fault: Open, at: number): void {
    this.#open.delete(fault)
    this.#rows.get(fault.kind)?.recovered.push({ ms: at - fault.at, at: fault.at })
  }

  rows(): RecoveryRow[] {
    for (const { kind } of this.#open) {
      const row = this.#rows.get(kind)
      if (row) row.never++
    }
    this.#open.clear()
    return [...this.#rows.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1))
  }
}
