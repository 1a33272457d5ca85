import { useEffect, useState } from 'preact/hooks'

/** A value that parts of the page look at. */
export interface Store<Value> {
  get(): Value
  set(value: Value): void
  subscribe(heard: (value: Value) => void): () => void
}

export function store<Value>(initial: Value): Store<Value> {
  let current = initial
  const listeners = new Set<(value: Value) => void>()
  return {
    get: () => current,
    set(value) {
      if (Object.is(value, current)) return
      current = value
      for (const heard of [...listeners]) heard(value)
    },
    subscribe(heard) {
      listeners.add(heard)
      return () => listeners.delete(heard)
    },
  }
}

export function useStore<Value>(from: Store<Value>): Value {
  const [, show] = useState(() => from.get())
  useEffect(() => {
    const heard = (value: Value): void => show(() => value)
    // It may have changed since it was drawn: effects come after the paint.
    heard(from.get())
    return from.subscribe(heard)
  }, [from])
  return from.get()
}
