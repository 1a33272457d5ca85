// Abort signals as errors: a time-out is a deadline that passed, anything else is the caller's own reason.
import { PoolmeshError } from '@poolmesh/types'

/** What to reject with for a signal that is aborted. */
export function aborted(signal: AbortSignal): unknown {
  const { reason } = signal
  if (reason instanceof DOMException && reason.name === 'TimeoutError')
    return new PoolmeshError(
      'DEADLINE_EXCEEDED',
      'the deadline of the caller passed before the answer came',
      [],
      {
        cause: reason,
      },
    )
  return reason
}

/** Calls back once when the signal aborts, at once if it has. Dispose it when the waiting is over: signals live long. */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): Disposable {
  if (!signal) return { [Symbol.dispose]() {} }
  const listener = (): void => callback(aborted(signal))
  if (signal.aborted) queueMicrotask(listener)
  else signal.addEventListener('abort', listener, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) }
}

/** The promise, or the signal's reason, whichever comes first. */
export async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise
  return await new Promise<T>((resolve, reject) => {
    const listening = onAbort(signal, reject)
    promise.then(resolve, reject).finally(() => listening[Symbol.dispose]())
  })
}
