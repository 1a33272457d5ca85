/** Who is to stop: one listener of the process for all, since Node warns of more than ten. */
const listeners = new Set<() => void>()
const tell = (): void => {
  for (const listener of [...listeners]) listener()
}

/** The first SIGTERM or SIGINT calls `stop`, each further one `now`. Without it the signals work as before. */
export function onStopSignals(stop: () => void, now: () => void): Disposable {
  let asked = false
  const listener = (): void => {
    if (asked) now()
    else stop()
    asked = true
  }
  if (listeners.size === 0) for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, tell)
  listeners.add(listener)
  return {
    [Symbol.dispose]() {
      if (!listeners.delete(listener) || listeners.size > 0) return
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, tell)
    },
  }
}
