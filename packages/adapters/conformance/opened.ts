// What has been opened and is not closed: sockets, also idle ones, and timers that keep the process alive.
import { type AsyncHook, createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { WAITING } from './executor.ts'

const KINDS = new Set(['TCPWRAP', 'TLSWRAP', 'Timeout'])

export class Opened implements Disposable {
  readonly #open = new Map<number, { kind: string; resource: { hasRef?: () => boolean } }>()
  readonly #hook: AsyncHook
  #waiting = false

  constructor() {
    this.#hook = createHook({
      init: (id, kind, _, resource) => {
        if (!this.#waiting && KINDS.has(kind) && !this.#isOfBefore()) this.#open.set(id, { kind, resource })
      },
      destroy: (id) => void this.#open.delete(id),
    }).enable()
  }

  /** A timer that was there before goes off, and is set again: that of a connection which the test has all the time. */
  #isOfBefore(): boolean {
    return executionAsyncResource().constructor.name === 'Timeout' && !this.#open.has(executionAsyncId())
  }

  /** By kind. A timer that does not keep the process alive, such as one that a library shares, is no matter. */
  #left(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { kind, resource } of this.#open.values())
      if (kind !== 'Timeout' || resource.hasRef?.()) counts[kind] = (counts[kind] ?? 0) + 1
    return counts
  }

  /** What is still open when all that is about to close has. */
  async inTheEnd(): Promise<Record<string, number>> {
    const end = performance.now() + WAITING.timeout
    let left = this.#left()
    while (Object.keys(left).length > 0 && performance.now() < end) {
      await this.#pause()
      left = this.#left()
    }
    return left
  }

  /** Without counting its own timer. */
  #pause(): Promise<void> {
    this.#waiting = true
    const over = pause(WAITING.interval)
    this.#waiting = false
    return over
  }

  [Symbol.dispose](): void {
    this.#hook.disable()
  }
}
