import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, ask } from './api.ts'
import { connection } from './live.ts'

export interface Query<Data> {
  data: Data | null
  error: ApiError | null
  loading: boolean
  /** Asks again; what is shown stays until the answer is there. */
  reload(): void
  /** Changes what is shown, by an event for instance. */
  update(change: (data: Data) => Data): void
}

/** Asks for a path while the part is on screen, anew when the path changes or the gateway is back. Null: asks for nothing. */
export function useQuery<Data>(path: string | null): Query<Data> {
  const [state, setState] = useState<{
    path: string | null
    data: Data | null
    error: ApiError | null
    loading: boolean
  }>({
    path,
    data: null,
    error: null,
    loading: path !== null,
  })
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((n) => n + 1), [])
  const update = useCallback(
    (change: (data: Data) => Data) =>
      setState((old) => (old.data === null ? old : { ...old, data: change(old.data) })),
    [],
  )
  const shown = useRef(path)
  useEffect(() => {
    if (path === null) return
    const abort = new AbortController()
    const other = shown.current !== path
    shown.current = path
    setState((old) => ({
      path,
      data: other ? null : old.data,
      error: other ? null : old.error,
      loading: true,
    }))
    ask<Data>(path, { signal: abort.signal }).then(
      (data) => {
        if (!abort.signal.aborted) setState({ path, data, error: null, loading: false })
      },
      (error: unknown) => {
        if (abort.signal.aborted || !(error instanceof ApiError)) return
        setState((old) => ({ ...old, error, loading: false }))
      },
    )
    return () => abort.abort()
  }, [path, round])
  useEffect(
    () =>
      connection.subscribe((now) => {
        if (now === 'open') reload()
      }),
    [reload],
  )
  return { ...state, data: state.path === path ? state.data : null, reload, update }
}
