// Each process appends its own lines. One line is one write to a file opened for appending, so lines of different
// processes do not mix, and what was written before a SIGKILL is there.
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Event } from './events.ts'

/** Milliseconds of the machine's monotonic clock. */
export const clock = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

export class History implements Disposable {
  readonly #file: number
  readonly #base: number

  constructor(path: string, base: number) {
    this.#file = openSync(path, 'a')
    this.#base = base
  }

  now(): number {
    return Math.round((clock() - this.#base) * 1_000) / 1_000
  }

  write(event: Event): void {
    writeSync(this.#file, `${JSON.stringify({ t: this.now(), ...event })}\n`)
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }
}
