// What a run says: lines for people as they come, and all of it as one object at the end.
import { availableParallelism, cpus } from 'node:os'
import { median, percentile } from './processes/statistics.ts'
import type { ProcessUse } from './processes/usage.ts'
import type { Contender, Round } from './scenarios/beside-floor.ts'
import type { PlainJobOutcome } from './scenarios/plain-job.ts'
import type { LatencyJob, ThroughputJob } from './scenarios/workload.ts'

type PerContender<Value> = Record<Contender['name'], Value>
const NAMES = ['poolmesh', 'floor'] as const

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
const list = (values: readonly number[]): string => values.map(whole).join(' ')

export class Report {
  /** Promises that were broken; a run that has some fails. */
  readonly broken: string[] = []
  readonly #say: (line: string) => void
  readonly #all: Record<string, unknown> = {}

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  machine(): void {
    const of = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.versions.node}`
    this.#all['machine'] = of
    this.#all['at'] = new Date().toISOString()
    this.#say(`machine: ${of}`)
  }

  plainJob(name: string, outcome: PlainJobOutcome): void {
    this.#all[name] = outcome
    const { submitted, acknowledged, results, distinct, completed, seconds } = outcome
    this.#say(
      `${name}: submitted ${whole(submitted)}, acknowledged ${whole(acknowledged)}, results ${whole(results)}, ` +
        `distinct ${whole(distinct)}, completed ${whole(completed)}, ${seconds.toFixed(2)} s, ` +
        `${whole(distinct / seconds)} tasks/s`,
    )
    const byPool = Object.entries(outcome.byPool).map(([pool, count]) => `${pool} ${count}`)
    const reasons = Object.entries(outcome.reasons).map(([reason, count]) => ` ${reason} ${count}`)
    const stopped = outcome.stoppedAt === null ? '' : `; stopped at ${whole(outcome.stoppedAt)} results`
    this.#say(
      `  by pool: ${byPool.sort().join(', ')}; all acknowledged after ${outcome.ackSeconds.toFixed(2)} s; ` +
        `${whole(outcome.ranAgain)} ran again${reasons.join()}${stopped}`,
    )
    this.exactlyOnce(name, submitted, outcome)
  }

  throughput(job: ThroughputJob, rounds: PerContender<Round[]>): void {
    const speeds = (name: Contender['name']): number[] => rounds[name].map((round) => round.tasksPerSecond)
    const ratio = median(speeds('poolmesh')) / median(speeds('floor'))
    this.#all['throughput'] = { job, rounds, ratio }
    this.#say(
      `submitMany, ${whole(job.tasks)} tasks in messages of ${job.batchSize}, ${whole(job.window)} in hand at most:`,
    )
    for (const name of NAMES) {
      this.#say(
        `  ${name.padEnd(10)} ${whole(median(speeds(name)))} tasks/s (rounds: ${list(speeds(name))}); ` +
          `distinct results ${list(rounds[name].map((round) => round.distinct))}`,
      )
      for (const round of rounds[name]) this.exactlyOnce(name, job.tasks, round)
    }
    this.#say(`  ratio ${ratio.toFixed(2)}`)
    for (const name of NAMES) this.#say(`  ${name.padEnd(10)} ${useOf(rounds[name])}`)
  }

  latency(job: LatencyJob, took: PerContender<number[]>): void {
    const of = (name: Contender['name']) => ({
      median: median(took[name]),
      p99: percentile(took[name], 0.99),
      probes: took[name].length,
    })
    this.#all['latency'] = { job, poolmesh: of('poolmesh'), floor: of('floor') }
    for (const name of NAMES) {
      const { median: middle, p99, probes } = of(name)
      this.#say(
        `alone, one every ${job.pauseMs} ms, ${name.padEnd(8)} median ${middle.toFixed(2)} ms, ` +
          `p99 ${p99.toFixed(2)} ms (${whole(probes)} probes)`,
      )
    }
  }

  /**
   * By setting: tasks a second of each round, and milliseconds of lone tasks. Each round is compared with the usual setting's
   * round beside it, since a machine that others use too is as slow for both.
   */
  durability(
    usual: string,
    of: Record<string, { speeds: number[]; median: number; p99: number; probes: number }>,
  ): void {
    this.#all['durability'] = of
    const beside = of[usual]?.speeds ?? []
    for (const [name, { speeds, median: middle, p99, probes }] of Object.entries(of)) {
      const ratio = median(speeds.map((speed, i) => speed / (beside[i] ?? Number.NaN)))
      this.#say(
        `${name.padEnd(20)} ${whole(median(speeds)).padStart(7)} tasks/s, ${ratio.toFixed(2)} of ${usual} ` +
          `(rounds: ${list(speeds)}); alone median ${middle.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (${whole(probes)} probes)`,
      )
    }
  }

  logged(lines: readonly string[]): void {
    this.#all['logged'] = lines
    this.#say(`warnings and errors in the services' logs: ${lines.length}`)
    for (const line of lines.slice(0, 10)) this.#say(`  ${line.slice(0, 300)}`)
  }

  json(): string {
    return JSON.stringify({ ...this.#all, broken: this.broken }, null, 2)
  }

  /** Writes down what is not: every task has one result, and it completed. */
  exactlyOnce(
    name: string,
    tasks: number,
    counts: { results: number; distinct: number; completed: number },
  ): void {
    if (counts.results === tasks && counts.distinct === tasks && counts.completed === tasks) return
    const broken = `${name}: of ${tasks} tasks ${counts.distinct} have a result, ${counts.results} results came, ${counts.completed} completed`
    this.broken.push(broken)
    this.#say(`  BROKEN ${broken}`)
  }
}

/** Medians over the rounds: processor time a task, and the memory at the end of the last. */
function useOf(rounds: readonly Round[]): string {
  const names = Object.keys(rounds[0]?.use ?? {})
  const micros = (name: string): number =>
    median(rounds.map((round) => round.use[name]?.cpuMicrosPerTask ?? Number.NaN))
  const last = (rounds.at(-1)?.use ?? {}) as Record<string, ProcessUse>
  const sum = names.reduce((total, name) => total + micros(name), 0)
  const each = names.map(
    (name) => `${name} ${micros(name).toFixed(1)} µs, ${whole(last[name]?.rssMiB ?? 0)} MiB`,
  )
  return `CPU a task ${sum.toFixed(1)} µs: ${each.join('; ')}`
}
