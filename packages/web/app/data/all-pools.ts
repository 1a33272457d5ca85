// All pools, page after page, then live: searching and filtering among ten thousand is at once, and asks nobody.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ApiError, ask, query } from './api.ts'
import { useLive } from './live.ts'
import type { Page, Pool } from './types.ts'

export interface PoolFilter {
  q: string
  kind: string
  region: string
  capability: string
  health: string
}

const PAGE = 1_000
/** Pools that the page holds. */
const MOST = 20_000
/** Choices of one filter. */
const MOST_CHOICES = 200

export function useAllPools(filter: PoolFilter) {
  const known = useRef(new Map<string, Pool>())
  const [version, setVersion] = useState(0)
  const [state, setState] = useState<{ loading: boolean; error: ApiError | null; truncated: boolean }>({
    loading: true,
    error: null,
    truncated: false,
  })
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((n) => n + 1), [])
  const changed = useCallback(() => setVersion((n) => n + 1), [])
  useEffect(() => {
    const abort = new AbortController()
    const load = async (): Promise<void> => {
      setState((old) => ({ ...old, loading: true }))
      const found = new Map<string, Pool>()
      let cursor: string | null = null
      do {
        const page: Page<Pool> = await ask(`pools${query({ limit: PAGE, cursor })}`, { signal: abort.signal })
        for (const pool of page.items) found.set(pool.name, pool)
        cursor = page.next
        // What is there already is shown; on a second reading the old list stays until the new one is whole.
        if (known.current.size <= found.size || cursor === null) {
          known.current = found
          changed()
        }
      } while (cursor !== null && found.size < MOST)
      setState({ loading: false, error: null, truncated: cursor !== null })
    }
    load().catch((error: unknown) => {
      if (error instanceof ApiError) setState((old) => ({ ...old, loading: false, error }))
    })
    return () => abort.abort()
  }, [round, changed])
  useLive(
    ['pools'],
    {
      pools: (data) => {
        const { changed: pools, removed } = data as { changed: Pool[]; removed: string[] }
        for (const pool of pools)
          if (known.current.has(pool.name) || known.current.size < MOST) known.current.set(pool.name, pool)
        for (const name of removed) known.current.delete(name)
        changed()
      },
    },
    reload,
  )
  const all = useMemo(
    () => [...known.current.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    [version],
  )
  const choices = useMemo(
    () => ({
      kind: choicesOf(all.map((pool) => pool.pool_type)),
      region: choicesOf(all.flatMap((pool) => pool.region ?? [])),
      capability: choicesOf(all.flatMap((pool) => pool.capabilities)),
    }),
    [all],
  )
  const { q, kind, region, capability, health } = filter
  const shown = useMemo(
    () => all.filter((pool) => passes(pool, { q, kind, region, capability, health })),
    [all, q, kind, region, capability, health],
  )
  return { ...state, pools: all.length, shown, choices, reload }
}

const choicesOf = (values: string[]): string[] => [...new Set(values)].sort().slice(0, MOST_CHOICES)

function passes(pool: Pool, { q, kind, region, capability, health }: PoolFilter): boolean {
  return (
    (q === '' || pool.name.toLowerCase().includes(q.trim().toLowerCase())) &&
    (kind === '' || pool.pool_type === kind) &&
    (region === '' || pool.region === region) &&
    (capability === '' || pool.capabilities.includes(capability)) &&
    (health === '' || pool.health_status === health)
  )
}
