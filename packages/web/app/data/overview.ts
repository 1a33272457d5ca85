// The overview and what answers, for the frame and the first screen: read once, then live.
import { useEffect } from 'preact/hooks'
import { ask } from './api.ts'
import { heardTime } from './clock.ts'
import { connection, useLive } from './live.ts'
import { store, useStore } from './store.ts'
import { token } from './token.ts'
import type { Moment, Overview, Readiness } from './types.ts'

/** 15 minutes, a moment every five seconds. */
const MOMENTS = 180
const LOOK_MS = 5_000

const overview = store<Overview | null>(null)
const readiness = store<Readiness | null>(null)

/** Events have the last moment only; it replaces the one of the same time, or comes behind the others. */
function withMoment(history: Moment[], last: Moment | undefined): Moment[] {
  if (!last || history.at(-1)?.t === last.t) return history
  return [...history, last].slice(-MOMENTS)
}

async function read(): Promise<void> {
  try {
    const next = await ask<Overview>('overview')
    heardTime(next.now)
    overview.set(next)
  } catch {
    // The connection and the readiness tell it.
  }
}

async function look(): Promise<void> {
  try {
    const found = await ask<Readiness | null>('/readyz')
    readiness.set(found?.parts ? found : null)
  } catch {
    readiness.set(null)
  }
}

/** To be used once, by the frame. */
export function useOverviewFeed(): void {
  useLive(
    ['overview'],
    {
      overview: (data) => {
        const next = data as Overview
        heardTime(next.now)
        overview.set({ ...next, history: withMoment(overview.get()?.history ?? [], next.history.at(-1)) })
      },
    },
    read,
  )
  useEffect(() => {
    void read()
    void look()
    const timer = setInterval(look, LOOK_MS)
    const again = (): void => {
      void read()
      void look()
    }
    const parts = [
      connection.subscribe((now) => {
        if (now === 'open') again()
      }),
      token.subscribe(again),
    ]
    return () => {
      clearInterval(timer)
      for (const stop of parts) stop()
    }
  }, [])
}

export const useOverview = (): Overview | null => useStore(overview)
export const useReadiness = (): Readiness | null => useStore(readiness)
