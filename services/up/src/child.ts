// One supervised child process: started, ready, started again when it ends unasked, stopped in time.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { MetricsReport } from '@poolmesh/metrics'
import { PoolmeshError } from '@poolmesh/types'
import { ASK_METRICS } from './process-metrics.ts'

/** Doubled with each end in a row, so that a child that cannot start does not use up the machine. */
const FIRST_RESTART_MS = 250
const LAST_RESTART_MS = 10_000
/** A child that ran this long was well: its next end counts as the first. */
const WELL_AFTER_MS = 30_000
/** A process that is stuck does not hold up what the others say. */
const METRICS_MS = 3_000
/** Lines of a child that did not start, kept to say why. */
const MAX_KEPT_LINES = 20

export interface ChildOptions {
  name: string
  /** What Node runs. */
  args: string[]
  env: NodeJS.ProcessEnv
  /** A line of the child's standard output or error. */
  onLine(line: string): void
  /** It ended unasked, or is back again: one line for people. */
  onNotice(line: string): void
}

export interface Child {
  /** Resolves when it says that it is ready; rejects with its own words when it ends before. */
  readonly ready: Promise<void>
  readonly pid: number | undefined
  /** What it has counted; empty where it does not say so in time. */
  metrics(): Promise<MetricsReport>
  /** SIGTERM, and SIGKILL after the limit. */
  stop(limitMs: number): Promise<void>
}

export function startChild(options: ChildOptions): Child {
  let current: ChildProcess
  let stopping = false
  let failures = 0
  let restart: NodeJS.Timeout | undefined
  let exited: Promise<void> = Promise.resolve()

  /** @param first its failure ends the start as a whole; later ones are made good */
  const run = (first: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const begun = performance.now()
      let ready = false
      const kept: string[] = []
      const onLine = (line: string): void => {
        if (ready || !first) options.onLine(line)
        else if (kept.length < MAX_KEPT_LINES) kept.push(line)
      }
      // A group of its own: a Ctrl-C reaches the supervisor alone, which stops everything in order.
      const child = spawn(process.execPath, options.args, {
        env: options.env,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        detached: true,
      })
      current = child
      follow(child.stdout, onLine)
      follow(child.stderr, onLine)
      child.on('message', (message) => {
        if (message !== 'ready' || ready) return
        ready = true
        for (const line of kept) options.onLine(line)
        if (!first) options.onNotice(`${options.name} is back`)
        resolve()
      })
      exited = endOf(child).then((how) => {
        if (stopping) return resolve()
        if (first && !ready) return reject(new PoolmeshError('UNAVAILABLE', whyNot(options.name, kept, how)))
        if (performance.now() - begun > WELL_AFTER_MS) failures = 0
        const wait = Math.min(FIRST_RESTART_MS * 2 ** failures++, LAST_RESTART_MS)
        options.onNotice(`${options.name} ended (${how}), starting it again in ${wait} ms`)
        restart = setTimeout(() => void run(false), wait)
      })
    })

  const ready = run(true)
  return {
    ready,
    get pid() {
      return current.pid
    },
    metrics: () => metricsOf(current),
    async stop(limitMs) {
      stopping = true
      clearTimeout(restart)
      current.kill('SIGTERM')
      const killer = setTimeout(() => current.kill('SIGKILL'), limitMs)
      await exited
      clearTimeout(killer)
    },
  }
}

function metricsOf(child: ChildProcess): Promise<MetricsReport> {
  return new Promise((resolve) => {
    const hear = (message: unknown): void => {
      if (typeof message === 'object' && message !== null && 'metrics' in message)
        done(message.metrics as MetricsReport)
    }
    const done = (report: MetricsReport): void => {
      clearTimeout(timer)
      child.off('message', hear)
      resolve(report)
    }
    const timer = setTimeout(() => done([]), METRICS_MS)
    child.on('message', hear)
    if (!child.connected) return done([])
    child.send(ASK_METRICS, (error) => {
      if (error) done([])
    })
  })
}

function follow(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
}

/** Resolves when it is gone and all that it said has been read. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
}

/** Its own last words where it has any. */
function whyNot(name: string, kept: string[], how: string): string {
  const said = kept.findLast((line) => line.startsWith('poolmesh: '))?.slice('poolmesh: '.length)
  return said ?? `${name} did not start (${how})${kept.length > 0 ? `: ${kept.join(' | ')}` : ''}`
}
