// Ctrl-C while waiting: the waiting ends in order, the task goes on, and the person is told where to look.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The reason that the waiting is aborted with. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

export interface Interruption extends Disposable {
  readonly signal: AbortSignal
}

/** Between its making and its disposal the first signal aborts; a second one ends the process as usual. */
export function onInterrupt(): Interruption {
  const controller = new AbortController()
  const stop = (): void => {
    // Not yet: what restores the cursor ends the process at once where nobody else listens.
    setImmediate(dispose)
    controller.abort(new Interrupted('interrupted'))
  }
  const dispose = (): void => {
    for (const name of SIGNALS) process.off(name, stop)
  }
  for (const name of SIGNALS) process.on(name, stop)
  return { signal: controller.signal, [Symbol.dispose]: dispose }
}
