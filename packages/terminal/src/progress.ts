// How far something long is: a bar that is redrawn in place on a terminal, a plain line now and then elsewhere.
import { createLogUpdate } from 'log-update'
import stringWidth from 'string-width'
import { oneLine } from './plain.ts'

export interface ProgressState {
  /** Things that are done. */
  done: number
  /** Of the whole, 0 to 1; null where the end is not known. */
  fraction: number | null
  /** What else there is to say, such as failures. */
  note?: string
}

/** Of one, and of many. */
export type Unit = readonly [one: string, many: string]

export interface ProgressOptions {
  /** What is counted: `['task', 'tasks']`. */
  unit: Unit
  /** Default: standard error, so that standard output has answers only. */
  stream?: NodeJS.WriteStream
  /** Between two lines where there is no terminal; default 10,000. */
  plainEveryMs?: number
}

const REDRAW_MS = 100
const PLAIN_MS = 10_000
const NO_TERMINAL_WIDTH = 120
/** How long the past counts for the rate. */
const RATE_MEMORY_MS = 5_000
const WIDEST_BAR = 30
const NARROWEST_BAR = 5

/** Redrawn by a timer of its own. Dispose it before anything else is printed: the last state then stays. */
export class Progress implements Disposable {
  readonly #unit: Unit
  readonly #stream: NodeJS.WriteStream
  readonly #draw: ((text: string) => void) & { clear(): void; done(): void }
  readonly #timer: NodeJS.Timeout
  readonly #start = performance.now()
  #state: ProgressState = { done: 0, fraction: null }
  #first: ProgressState | undefined
  #pace = new Pace()
  #shown = false

  constructor({ unit, stream = process.stderr, plainEveryMs = PLAIN_MS }: ProgressOptions) {
    this.#unit = unit
    this.#stream = stream
    this.#draw = stream.isTTY
      ? createLogUpdate(stream)
      : Object.assign((text: string) => stream.write(`${text}\n`), { clear: () => {}, done: () => {} })
    this.#timer = setInterval(() => this.#show(), stream.isTTY ? REDRAW_MS : plainEveryMs)
    this.#timer.unref()
  }

  /** Costs nothing: it is shown when its time comes. What the first call says counts as done before. */
  update(state: ProgressState): void {
    this.#first ??= state
    this.#state = state
    this.#pace.add(state, performance.now())
  }

  /** A line above the bar, which stays. */
  say(line: string): void {
    this.#draw.clear()
    this.#stream.write(`${line}\n`)
    if (this.#stream.isTTY) this.#show()
  }

  #show(): void {
    if (!this.#first) return
    const width = this.#stream.isTTY ? this.#stream.columns : NO_TERMINAL_WIDTH
    this.#shown = true
    this.#draw(formatProgress(this.#state, this.#pace, this.#unit, width))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    // What is over before its first line needs none, where lines are not redrawn.
    if (!this.#first || !(this.#shown || this.#stream.isTTY)) return
    const seconds = (performance.now() - this.#start) / 1_000
    const rate = (this.#state.done - this.#first.done) / seconds
    this.#pace = new Pace({ perSecond: rate, secondsLeft: null })
    this.#show()
    this.#draw.done()
  }
}

interface Speed {
  /** Things a second. */
  perSecond: number | null
  secondsLeft: number | null
}

/** The rate of the last seconds, smooth enough to be read. */
class Pace implements Speed {
  perSecond: number | null
  secondsLeft: number | null
  #fractionPerSecond: number | null = null
  #last: { state: ProgressState; at: number } | undefined

  constructor(speed: Speed = { perSecond: null, secondsLeft: null }) {
    this.perSecond = speed.perSecond
    this.secondsLeft = speed.secondsLeft
  }

  add(state: ProgressState, at: number): void {
    const last = this.#last
    if (last && at - last.at < REDRAW_MS) return
    this.#last = { state, at }
    if (!last) return
    const seconds = (at - last.at) / 1_000
    const weight = 1 - Math.exp((last.at - at) / RATE_MEMORY_MS)
    const blend = (before: number | null, now: number): number =>
      before === null ? now : before + weight * (now - before)
    this.perSecond = blend(this.perSecond, (state.done - last.state.done) / seconds)
    if (state.fraction === null || last.state.fraction === null) return
    this.#fractionPerSecond = blend(this.#fractionPerSecond, (state.fraction - last.state.fraction) / seconds)
    this.secondsLeft =
      this.#fractionPerSecond > 0 ? Math.max(0, 1 - state.fraction) / this.#fractionPerSecond : null
  }
}

/** One line, never wider than the terminal: the bar gives way first, then the note, then the rest. */
export function formatProgress(state: ProgressState, speed: Speed, unit: Unit, width: number): string {
  const { done, fraction, note = '' } = state
  const parts = [
    fraction === null ? '' : `${Math.floor(fraction * 100)}%`.padStart(4),
    `${formatCount(done)} ${unit[done === 1 ? 0 : 1]}`,
    Math.round(speed.perSecond ?? 0) === 0 ? '' : `${formatCount(Math.round(speed.perSecond ?? 0))}/s`,
    speed.secondsLeft === null ? '' : `${formatDuration(speed.secondsLeft)} left`,
    oneLine(note),
  ].filter((part) => part !== '')
  // The last column stays free: some terminals begin a new line once it is written.
  const room = width - 1
  while (parts.length > 1 && stringWidth(parts.join('  ')) > room) parts.pop()
  const text = parts.join('  ')
  const bar = Math.min(WIDEST_BAR, room - stringWidth(text) - 2)
  return fraction === null || bar < NARROWEST_BAR ? text : `${formatBar(fraction, bar)} ${text}`
}

function formatBar(fraction: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width)
  return '█'.repeat(full) + '░'.repeat(width - full)
}

const formatCount = (count: number): string => count.toLocaleString('en-US')

/** `45s`, `3m 05s`, `2h 10m`. */
function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole}s`
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`
  return `${Math.floor(whole / 3_600)}h ${two(Math.floor((whole % 3_600) / 60))}m`
}
