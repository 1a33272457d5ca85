// What takes several steps, written down as one: a generator that waits for callbacks. Unlike promises it goes on within the
// event that it waited for, so that a schedule is the same each time; and where the process dies, it just never goes on.

type Start = (resume: (value: unknown) => void) => void
export type Flow<T> = Generator<Start, T, unknown>

/** Waits for the value that the callback is given. */
export function* until<T>(start: (resume: (value: T) => void) => void): Flow<T> {
  return (yield start as Start) as T
}

export function run<T>(flow: Flow<T>, done: (value: T) => void = () => {}): void {
  const step = (value: unknown): void => {
    const next = flow.next(value)
    if (next.done) done(next.value)
    else next.value(step)
  }
  step(undefined)
}

/** Several at once; waits for all of them. */
export function* together(...flows: Flow<unknown>[]): Flow<void> {
  yield* until<void>((resume) => {
    let left = flows.length
    for (const flow of flows)
      run(flow, () => {
        if (--left === 0) resume()
      })
  })
}
