// One schedule, from its seed to the last stored result. Everything happens in one thread, at virtual times.
import { Broker } from './broker.ts'
import { Clock } from './clock.ts'
import { Directory } from './directory.ts'
import { Distributor } from './distributor.ts'
import { Executor } from './executor.ts'
import { Connection } from './network.ts'
import { Oracle, Violation } from './oracle.ts'
import { Pool } from './pool.ts'
import { Process } from './process.ts'
import { hashOf, Random } from './random.ts'
import type { Fault, Schedule } from './schedule.ts'
import { Submitter } from './submitter.ts'
import type { Variant } from './variant.ts'

/** After the last fault all is up again; so long until every task has its result. */
const DRAIN_MS = 120_000
/** And until the stream is empty: an acknowledgement that was lost is made up for after the consumers' ack_wait. */
const EMPTY_MS = 70_000
const LOOK_MS = 250
const MAX_SKEW_MS = 300

export interface Outcome {
  readonly violation: string | null
  /** Virtual ms until all was over. */
  readonly took: number
  readonly steps: number
  readonly tasks: number
  /** Runs that pools began. */
  readonly executions: number
  readonly takeOvers: number
  /** Numbers of runs that nobody could know of and that were given again. */
  readonly repeated: number
  readonly faults: readonly Fault[]
  readonly trace: readonly string[]
}

interface Slot {
  process: Process
  readonly start: () => void
  /** SIGTERM. */
  stop: () => void
}

export class World {
  readonly #schedule: Schedule
  readonly #variant: Variant
  readonly #clock = new Clock()
  readonly #oracle: Oracle
  readonly #broker: Broker
  readonly #directory: Directory
  readonly #promised = { count: 0 }
  readonly #slots = new Map<string, Slot>()
  readonly #executors = new Map<string, Executor>()
  readonly #applied: Fault[] = []
  readonly #trace: string[] | null
  #executions = 0
  #takeOvers = 0
  #started = 0
  /** Until then something is broken on purpose. */
  #calmAt = 0

  constructor(schedule: Schedule, variant: Variant = {}, traced = false) {
    this.#schedule = schedule
    this.#variant = variant
    this.#trace = traced ? [] : null
    this.#oracle = new Oracle(this.#clock, (line) => this.#note(line))
    this.#broker = new Broker(this.#clock, this.#random('broker'), this.#oracle, schedule.syncsAlways)
    this.#directory = new Directory(this.#clock, this.#broker)
  }

  #random(name: string): Random {
    return new Random(this.#schedule.seed, hashOf(name))
  }

  #note(line: string): void {
    this.#trace?.push(`${(this.#clock.now / 1000).toFixed(4).padStart(9)}  ${line}`)
  }

  async run(): Promise<Outcome> {
    this.#populate()
    for (const submission of this.#schedule.submissions)
      this.#clock.after(submission.at, () => this.#submitter().send(submission))
    for (const fault of this.#schedule.faults) {
      this.#calmAt = Math.max(this.#calmAt, fault.at + fault.ms)
      this.#clock.after(fault.at, () => this.#break(fault))
    }
    const lastAt = this.#schedule.submissions.at(-1)?.at ?? 0
    this.#calmAt = Math.max(this.#calmAt, lastAt) + 1_000
    await this.#runUntil(this.#calmAt)
    await this.#drain(DRAIN_MS, () => {
      const { open } = this.#oracle
      return open.length > 0
        ? `D1: without a result ${DRAIN_MS / 1000} s after the last fault: ${open.join(', ')}`
        : null
    })
    await this.#drain(EMPTY_MS, () => {
      const left = [...this.#broker.store.messages.values()].map(({ feed, id }) => `${feed}/${id}`)
      return left.length > 0 ? `D2: ended, and still in the stream: ${left.join(', ')}` : null
    })
    const { violation } = this.#oracle
    if (violation) this.#note(`VIOLATION ${violation.message}`)
    return {
      violation: violation?.message ?? null,
      took: this.#clock.now,
      steps: this.#clock.steps,
      tasks: this.#oracle.ended,
      executions: this.#executions,
      takeOvers: this.#takeOvers,
      repeated: this.#oracle.repeated,
      faults: this.#applied,
      trace: this.#trace ?? [],
    }
  }

  /** One event after the other, each followed by a look whether anything is wrong. */
  async #runUntil(at: number): Promise<void> {
    while (!this.#oracle.violation && this.#clock.step(at))
      // The engine answers a cancellation by a promise: it settles before the next event.
      if (this.#promised.count > 0) for (let i = 0; i < 3; i++) await null
  }

  async #drain(ms: number, problem: () => string | null): Promise<void> {
    const end = this.#clock.now + ms
    while (!this.#oracle.violation && problem() !== null) {
      if (this.#clock.now >= end) this.#oracle.fail(problem() as string)
      const next = Math.min(end, this.#clock.now + LOOK_MS)
      this.#clock.after(next - this.#clock.now, () => {})
      await this.#runUntil(next)
    }
  }

  // Who takes part

  #populate(): void {
    const { executors, distributors, pools } = this.#schedule
    for (let i = 1; i <= executors; i++) this.#slot(`executor-${i}`, (process) => this.#executor(process, i))
    for (let i = 1; i <= distributors; i++)
      this.#slot(`distributor-${i}`, (process) => {
        const distributor = new Distributor(process, this.#connect(process))
        return () => distributor.stop()
      })
    for (const spec of pools)
      this.#slot(spec.name, (process) => {
        new Pool({
          spec,
          process,
          connection: this.#connect(process),
          directory: this.#directory,
          oracle: this.#oracle,
          seed: this.#schedule.seed,
          onBegan: () => this.#executions++,
        })
        return () => process.kill()
      })
    for (const { name, kind, workers } of pools) this.#oracle.pool(name, kind === 'plain', workers)
    this.#slot('submitter', (process) => {
      const submitter = new Submitter(process, this.#connect(process), this.#oracle)
      this.#submitter = () => submitter
      return () => {}
    })
  }

  #submitter: () => Submitter = () => {
    throw new Violation('there is no submitter')
  }

  #slot(name: string, begin: (process: Process) => () => void): void {
    const start = (): void => {
      const id = `${name}.${++this.#started}`
      const random = this.#random(id)
      const process = new Process(this.#clock, id, random.int(-MAX_SKEW_MS, MAX_SKEW_MS), random.int(0, 1e6))
      const slot: Slot = { process, start, stop: () => {} }
      this.#slots.set(name, slot)
      slot.stop = begin(process)
    }
    start()
  }

  #connect(process: Process): Connection {
    return new Connection(this.#clock, this.#random(`${process.name} net`), process, this.#broker)
  }

  #executor(process: Process, number: number): () => void {
    const id = process.name
    const connection = this.#connect(process)
    const executor = new Executor({
      id,
      process,
      connection,
      random: this.#random(`${id} engine`),
      oracle: this.#oracle,
      variant: this.#variant,
      directory: this.#directory,
      promised: this.#promised,
      windowTasks: this.#schedule.windowTasks,
      onTakeOver: () => {
        this.#takeOvers++
        this.#note(`${id} takes over`)
      },
    })
    this.#executors.set(`executor-${number}`, executor)
    process.onExit(() => {
      this.#directory.unfollow(connection)
      if (this.#executors.get(`executor-${number}`) === executor) this.#executors.delete(`executor-${number}`)
    })
    return () => executor.stop()
  }

  // What goes wrong

  #break(fault: Fault): void {
    const { kind, ms } = fault
    const target = fault.target === 'dispatcher' ? this.#dispatcher() : fault.target
    this.#note(`FAULT ${kind} ${target ?? 'dispatcher: there is none'} ${ms} ms`)
    if (target === null) return
    this.#applied.push(fault)
    if (target === 'broker') this.#breakBroker(fault)
    else this.#breakProcess(target, this.#slots.get(target) as Slot, fault)
  }

  #dispatcher(): string | null {
    for (const [name, executor] of this.#executors) if (executor.mayAct) return name
    return null
  }

  #breakBroker({ kind, ms }: Fault): void {
    if (kind === 'broker restart') this.#broker.crash(ms, false)
    else if (kind === 'power loss') this.#broker.crash(ms, true)
    else if (kind === 'answers lost') this.#broker.loseAnswers(ms)
    else if (kind === 'reordered') this.#broker.reorder(ms)
    else if (kind === 'doubled') this.#broker.double(ms)
    else this.#broker.redeliver()
  }

  #breakProcess(name: string, slot: Slot, { kind, ms }: Fault): void {
    const { process } = slot
    if (!process.alive) return
    if (kind === 'pause') {
      process.pause()
      this.#clock.after(ms, () => process.goOn())
    } else if (kind === 'cut' || kind === 'late') {
      for (const connection of this.#broker.connections)
        if (connection.process === process) {
          if (kind === 'cut') connection.cut(ms)
          else connection.stall(ms)
        }
    } else {
      const again = (): void =>
        this.#clock.after(ms, () => {
          if (this.#slots.get(name) === slot) slot.start()
        })
      process.onExit(again)
      if (kind === 'kill') process.kill()
      else process.does(slot.stop)
    }
  }
}
