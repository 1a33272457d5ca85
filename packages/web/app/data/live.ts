// One connection to the gateway's events for the whole page. Invariants:
// 1. It carries what the parts on screen want, and the overview always: its silence tells that something is wrong.
// 2. After a gap each part is told `reset` and reads anew; what the gateway still has, it sends instead.
// 3. A connection that fails or falls silent is made again, later each time, and at once when the person comes back.
import { useEffect, useRef } from 'preact/hooks'
import { headers } from './api.ts'
import { EventParser } from './event-stream.ts'
import { store } from './store.ts'
import { token, tokenNeeded } from './token.ts'

type Heard = (data: unknown) => void
interface Listener {
  topics: readonly string[]
  /** Null: something was missed, read anew. */
  heard(topic: string, data: unknown): void
  reset(): void
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** The gateway says something at least every fifteen seconds. */
const SILENCE_MS = 25_000
/** Parts of a new screen ask within the same moment. */
const GATHER_MS = 30

export type Connection = 'connecting' | 'open' | 'away'
export const connection = store<Connection>('connecting')

const listeners = new Set<Listener>()
let lastId = ''
let current: { topics: string; abort: AbortController } | null = null
let gathering: ReturnType<typeof setTimeout> | undefined
let waking: (() => void) | null = null

const wanted = (): string =>
  [...new Set(['overview', ...[...listeners].flatMap(({ topics }) => topics)])].sort().join(',')

function gather(): void {
  clearTimeout(gathering)
  gathering = setTimeout(() => {
    if (current?.topics !== wanted()) current?.abort.abort()
  }, GATHER_MS)
}

/** Hears topics while the part is on screen. `reset` is called when something was missed. */
export function useLive(topics: readonly string[], heard: Record<string, Heard>, reset: () => void): void {
  const latest = useRef({ heard, reset })
  latest.current = { heard, reset }
  const key = topics.join(',')
  useEffect(() => {
    if (key === '') return
    const listener: Listener = {
      topics: key.split(','),
      heard: (topic, data) => latest.current.heard[topic]?.(data),
      reset: () => latest.current.reset(),
    }
    listeners.add(listener)
    gather()
    return () => {
      listeners.delete(listener)
      gather()
    }
  }, [key])
}

/** Runs as long as the page. */
export async function runLive(): Promise<never> {
  const wake = (): void => waking?.()
  addEventListener('online', wake)
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) wake()
  })
  token.subscribe(wake)
  let pause = FIRST_PAUSE_MS
  let heardTopics: string[] = []
  for (;;) {
    const abort = new AbortController()
    const topics = wanted()
    const given = token.get()
    current = { topics, abort }
    try {
      await listen(topics, abort, () => {
        pause = FIRST_PAUSE_MS
        connection.set('open')
        // What a new topic told before this moment, nobody kept for us: those who read it just now read it once more.
        resetNew(heardTopics)
        heardTopics = topics.split(',')
      })
    } catch {
      // Told by the state of the connection.
    }
    // Another set of topics, or a token that was given meanwhile: no pause, no alarm.
    if (topics !== wanted() || given !== token.get()) continue
    connection.set('away')
    await sleep(tokenNeeded.get() ? LONGEST_PAUSE_MS : pause * (0.75 + Math.random() / 2))
    pause = Math.min(LONGEST_PAUSE_MS, pause * 1.7)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    waking = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

async function listen(topics: string, abort: AbortController, opened: () => void): Promise<void> {
  let silence = setTimeout(() => abort.abort(), SILENCE_MS)
  try {
    const response = await fetch(`/api/v1/events?topics=${encodeURIComponent(topics)}`, {
      headers: {
        accept: 'text/event-stream',
        ...headers(),
        ...(lastId === '' ? {} : { 'last-event-id': lastId }),
      },
      signal: abort.signal,
      cache: 'no-store',
    })
    if (response.status === 401) tokenNeeded.set(true)
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`)
    opened()
    const parser = new EventParser()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(silence)
      silence = setTimeout(() => abort.abort(), SILENCE_MS)
      for (const event of parser.push(value)) {
        if (event.id !== '') lastId = event.id
        tell(event.event, event.data)
      }
    }
  } finally {
    clearTimeout(silence)
    abort.abort()
  }
}

function tell(topic: string, text: string): void {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return
  }
  if (topic === 'reset') resetAll()
  for (const listener of [...listeners]) if (listener.topics.includes(topic)) listener.heard(topic, data)
}

function resetNew(before: readonly string[]): void {
  for (const listener of [...listeners])
    if (listener.topics.some((topic) => !before.includes(topic))) listener.reset()
}

function resetAll(): void {
  for (const listener of [...listeners]) listener.reset()
}
