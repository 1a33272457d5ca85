// What the supervisor shows of its children and of itself, on standard error.
import type { Settings } from '@poolmesh/bus'
import { isAtLeast, type Level, readableLine } from './log-view.ts'

/** Lines kept while everything starts. */
const MAX_HELD = 1_000

/**
 * On a terminal only what needs attention is shown, unless a level was asked for: a newcomer wants the results, not
 * the log. Anywhere else the children's JSON lines are passed on as they are. Until the start is decided lines are
 * held, so that a failed start is told in one line and not among others.
 */
export class Output {
  /** The least severe line that children write. */
  readonly level: Level
  readonly #onTerminal: boolean
  #held: string[] | null = []

  constructor(settings: Settings, onTerminal = process.stderr.isTTY === true) {
    const asked = settings.sources['POOLMESH_LOG_LEVEL'] !== 'default'
    this.#onTerminal = onTerminal
    this.level = onTerminal && !asked ? 'warn' : settings.poolmesh.log_level
  }

  /** A line that a child wrote. */
  readonly line = (line: string): void => {
    if (this.#held === null) this.#show(line)
    else if (this.#held.length < MAX_HELD) this.#held.push(line)
  }

  /** A line of the supervisor's own. */
  readonly notice = (line: string): void => {
    process.stderr.write(`poolmesh: ${line}\n`)
  }

  started(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const line of held) this.#show(line)
  }

  /** What is no error says nothing about why. */
  failed(): void {
    this.#held = this.#held?.filter((line) => isAtLeast(line, 'error')) ?? null
    this.started()
  }

  #show(line: string): void {
    const shown = this.#onTerminal ? readableLine(line, this.level) : line
    if (shown !== null) process.stderr.write(`${shown}\n`)
  }
}
