// What many schedules came to, for people.
import { FAULT_KINDS, type FaultKind } from './schedule.ts'
import type { Outcome } from './world.ts'

export class Totals {
  readonly #begun = performance.now()
  readonly #faults = new Map<FaultKind, number>()
  #schedules = 0
  #violations = 0
  #virtualMs = 0
  #steps = 0
  #tasks = 0
  #executions = 0
  #takeOvers = 0
  #repeated = 0

  add({ violation, took, steps, tasks, executions, takeOvers, repeated, faults }: Outcome): void {
    this.#schedules++
    if (violation !== null) this.#violations++
    this.#virtualMs += took
    this.#steps += steps
    this.#tasks += tasks
    this.#executions += executions
    this.#takeOvers += takeOvers
    this.#repeated += repeated
    for (const { kind } of faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1)
  }

  text(): string {
    const seconds = (performance.now() - this.#begun) / 1000
    const count = (number: number): string => number.toLocaleString('en-US', { maximumFractionDigits: 0 })
    const faults = FAULT_KINDS.map((kind) => `${kind} ${count(this.#faults.get(kind) ?? 0)}`)
    return [
      `schedules    ${count(this.#schedules)} in ${seconds.toFixed(1)} s, ${count(this.#schedules / seconds)} a second`,
      `events       ${count(this.#steps)}, ${count(this.#virtualMs / 3_600_000)} hours of virtual time`,
      `tasks        ${count(this.#tasks)} ended, ${(this.#executions / this.#tasks).toFixed(3)} executions each`,
      `take-overs   ${count(this.#takeOvers - this.#schedules)}, beside the first of each schedule`,
      `repeated     ${count(this.#repeated)} numbers of runs that nobody could know of`,
      `faults       ${faults.join(' · ')}`,
      `violations   ${count(this.#violations)}`,
    ].join('\n')
  }
}
