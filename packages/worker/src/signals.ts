/** The first SIGTERM or SIGINT calls `stop`, each further one `now`. Without it the signals work as before. */
export function onStopSignals(stop: () => void, now: () => void): Disposable {
  let asked = false
  const listener = (): void => {
    if (asked) now()
    else stop()
    asked = true
  }
  process.on('SIGTERM', listener)
  process.on('SIGINT', listener)
  return {
    [Symbol.dispose]() {
      process.off('SIGTERM', listener)
      process.off('SIGINT', listener)
    },
  }
}
