// States as shapes and words: no colour is ever the only sign.
import type { Health, Status } from '../data/types.ts'

type Shape = 'disc' | 'ring' | 'half' | 'tick' | 'cross' | 'triangle' | 'clock' | 'bar'
export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'active'

const PATHS: Record<Shape, string> = {
  disc: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z',
  ring: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 2a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z',
  half: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 2v9a4.5 4.5 0 0 1 0-9z',
  tick: 'M13.9 3.2 6.2 13 1.9 8.8l1.5-1.6 2.6 2.5 6.2-7.9z',
  cross: 'M3.4 1.9 8 6.5l4.6-4.6 1.5 1.5L9.5 8l4.6 4.6-1.5 1.5L8 9.5l-4.6 4.6-1.5-1.5L6.5 8 1.9 3.4z',
  triangle: 'M8 1.2 15.4 14.5H.6zM7.1 6v4.3h1.8V6zm0 5.3v1.6h1.8v-1.6z',
  clock:
    'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 2a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM7.2 5v3.5l2.8 1.6.7-1.3-2-1.2V5z',
  bar: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM4.2 7h7.6v2H4.2z',
}
const STATES: Record<string, [Shape, Tone, string]> = {
  healthy: ['disc', 'good', 'Healthy'],
  degraded: ['triangle', 'warn', 'Degraded'],
  unavailable: ['cross', 'bad', 'Unavailable'],
  pending: ['ring', 'quiet', 'Pending'],
  running: ['half', 'active', 'Running'],
  completed: ['tick', 'good', 'Completed'],
  failed: ['cross', 'bad', 'Failed'],
  timeout: ['clock', 'warn', 'Timed out'],
  cancelled: ['bar', 'quiet', 'Cancelled'],
  unhealthy: ['cross', 'bad', 'Unhealthy'],
  recovered: ['tick', 'good', 'Recovered'],
  up: ['disc', 'good', 'Up'],
  down: ['cross', 'bad', 'Down'],
}
const UNKNOWN: [Shape, Tone, string] = ['cross', 'bad', '']

export function Glyph({ shape, tone }: { shape: Shape; tone: Tone }) {
  return (
    <svg class={tone} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[shape]} fill="currentColor" fill-rule="evenodd" />
    </svg>
  )
}

const stateOf = (state: string): [Shape, Tone, string] =>
  Object.hasOwn(STATES, state) ? STATES[state]! : UNKNOWN

/** The shape alone, beside words that tell the state already. */
export function StateGlyph({ state }: { state: Health | Status | string }) {
  const [shape, tone] = stateOf(state)
  return <Glyph shape={shape} tone={tone} />
}

interface MarkProps {
  state: Health | Status | 'unhealthy' | 'recovered' | 'up' | 'down'
  label?: string
  /** Without its colour: there is none in this state. */
  quiet?: boolean
}

export function Mark({ state, label, quiet = false }: MarkProps) {
  const [shape, tone, word] = stateOf(state)
  const shown = quiet ? 'quiet' : tone
  return (
    <span class={`mark ${shown}`}>
      <Glyph shape={shape} tone={shown} />
      {label ?? word}
    </span>
  )
}

/** For strips and legends: which colour a state has. */
export const toneOf = (state: string): Tone => stateOf(state)[1]
export const wordOf = (state: string): string => stateOf(state)[2] || state
