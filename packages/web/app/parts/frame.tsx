import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { connection } from '../data/live.ts'
import { useOverview, useOverviewFeed, useReadiness } from '../data/overview.ts'
import { useStore } from '../data/store.ts'
import { setToken, token, tokenNeeded } from '../data/token.ts'
import { Link, usePlace } from '../router.tsx'
import { Dialog } from './dialog.tsx'
import { count } from './format.ts'
import { Glyph } from './marks.tsx'

const ICONS = {
  overview: 'M3 10h3l2-6 4 12 2-6h3',
  pools: 'M3 5h14M3 10h14M3 15h14',
  tasks: 'M4 5.5 5.5 7 8 4M4 12.5 5.5 14 8 11M11 6h6M11 13h6',
  dead: 'M10 3 18 17H2zM10 8v4M10 14.2v.3',
  alerts: 'M10 3a5 5 0 0 0-5 5v3l-1.5 3h13L15 11V8a5 5 0 0 0-5-5zM8.5 17h3',
  submit: 'M10 4v12M4 10h12',
}
const PLACES: { to: string; word: string; short: string; icon: keyof typeof ICONS }[] = [
  { to: '/', word: 'Overview', short: 'Overview', icon: 'overview' },
  { to: '/pools', word: 'Pools', short: 'Pools', icon: 'pools' },
  { to: '/tasks', word: 'Tasks', short: 'Tasks', icon: 'tasks' },
  { to: '/dead', word: 'Dead letters', short: 'Dead', icon: 'dead' },
  { to: '/alerts', word: 'Alerts', short: 'Alerts', icon: 'alerts' },
  { to: '/submit', word: 'Submit a task', short: 'Submit', icon: 'submit' },
]

export function Frame({ children }: { children: ComponentChildren }) {
  useOverviewFeed()
  const overview = useOverview()
  return (
    <div class="frame">
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="side">
        <Link to="/" class="brand">
          <Logo />
          poolmesh
        </Link>
        <Navigation unhealthy={overview?.pools.unhealthy ?? 0} />
        <ConnectionState />
      </header>
      <main id="main" tabIndex={-1}>
        <Banner />
        {children}
      </main>
      {useStore(tokenNeeded) && <TokenDialog />}
    </div>
  )
}

const Logo = () => (
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="var(--accent)" />
    <g stroke="var(--accent-ink)" stroke-width="2" opacity=".7">
      <path d="M9 9l14 4M9 9l4 14M23 13L13 23" />
    </g>
    <g fill="var(--accent-ink)">
      <circle cx="9" cy="9" r="3.6" />
      <circle cx="23" cy="13" r="3.6" />
      <circle cx="13" cy="23" r="3.6" />
    </g>
  </svg>
)

function Navigation({ unhealthy }: { unhealthy: number }) {
  const { path } = usePlace()
  const isHere = (to: string): boolean =>
    to === '/' ? path === '/' : path.startsWith(to) || (to === '/tasks' && path.startsWith('/fanouts'))
  return (
    <nav class="nav" aria-label="Main">
      <ul>
        {PLACES.map(({ to, word, short, icon }) => (
          <li key={to}>
            <Link
              to={to}
              aria-current={isHere(to) ? 'page' : undefined}
              // Elsewhere what is in it is its name: how many pools are unavailable is a part of that.
              aria-label={word === short ? undefined : word}
            >
              <svg
                viewBox="0 0 20 20"
                aria-hidden="true"
                fill="none"
                stroke="currentColor"
                stroke-width="1.6"
                stroke-linecap="round"
                stroke-linejoin="round"
              >
                <path d={ICONS[icon]} />
              </svg>
              <span class="long">{word}</span>
              <span class="short">{short}</span>
              {to === '/pools' && unhealthy > 0 && (
                <span class="count number">
                  {count(unhealthy)}
                  <span class="hidden"> unavailable</span>
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}

const STATES = {
  open: { shape: 'disc', tone: 'good', word: 'Live' },
  connecting: { shape: 'ring', tone: 'quiet', word: 'Connecting' },
  away: { shape: 'cross', tone: 'bad', word: 'Not live' },
} as const

function ConnectionState() {
  const { shape, tone, word } = STATES[useStore(connection)]
  return (
    <p class="state mark">
      <Glyph shape={shape} tone={tone} />
      {word}
    </p>
  )
}

/** What stands over every screen while the gateway, or the broker behind it, is away. */
function Banner() {
  const state = useStore(connection)
  const readiness = useReadiness()
  const needed = useStore(tokenNeeded)
  const broker = readiness?.parts['nats'] === 'down'
  if (needed || (state !== 'away' && !broker)) return <div role="alert" />
  return (
    <div role="alert" class="banner">
      <Glyph shape="cross" tone="bad" />
      <div>
        <p>
          {state === 'away'
            ? 'The gateway does not answer.'
            : 'The NATS server is away: nothing is stored, and nothing runs.'}
        </p>
        <p>What you see is the last that was known. This page goes on by itself as soon as it is back.</p>
      </div>
    </div>
  )
}

function TokenDialog() {
  const [value, setValue] = useState('')
  const wasGiven = useStore(token) !== null
  return (
    <Dialog title="This gateway needs a token" close={() => tokenNeeded.set(false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (value.trim() !== '') setToken(value.trim())
        }}
      >
        <div>
          <label for="token">Token</label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
          <p class="small muted">
            {wasGiven ? 'The one that was given is not right. ' : ''}
            It is the gateway's <code>POOLMESH_HTTP_TOKEN</code>, and is forgotten when this tab is closed.
          </p>
        </div>
        <div class="actions">
          <button class="primary">Go on</button>
        </div>
      </form>
    </Dialog>
  )
}
