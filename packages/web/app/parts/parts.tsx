// Small parts that every screen uses.
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import type { ApiError } from '../data/api.ts'
import { timeNow } from '../data/clock.ts'
import type { Query } from '../data/use-query.ts'
import { Link } from '../router.tsx'
import { ago, brief, percent, visible } from './format.ts'

/** Somebody's text in a line of ours: cut, isolated in its direction, its unseen characters seen. */
export function Text({ children, most = 200 }: { children: string; most?: number }) {
  return (
    <bdi dir="auto" title={children.length > 40 && children.length <= 1_000 ? visible(children) : undefined}>
      {brief(children, most)}
    </bdi>
  )
}

/** One line of a list of facts (`dl.facts`); the class is of what is said. */
export const Fact = ({
  name,
  class: look,
  children,
}: {
  name: string
  class?: string
  children: ComponentChildren
}) => (
  <div>
    <dt>{name}</dt>
    <dd class={look}>{children}</dd>
  </div>
)

export function Panel({
  title,
  aside,
  children,
  class: name = '',
}: {
  title: string
  aside?: ComponentChildren
  children: ComponentChildren
  class?: string
}) {
  const id = useId()
  return (
    <section class={`panel ${name}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside !== undefined && <div class="small muted">{aside}</div>}
      </header>
      {children}
    </section>
  )
}

/** A share of 0–1 as a bar, with its words beside it or for screen readers. */
export function Bar({ share, label, full = share >= 1 }: { share: number; label: string; full?: boolean }) {
  return (
    <span class={full ? 'bar full' : 'bar'} role="img" aria-label={label}>
      {share > 0 && <span style={{ width: `${Math.min(1, share) * 100}%` }} />}
    </span>
  )
}

export const LoadBar = ({ used, total }: { used: number; total: number }) => (
  <Bar
    share={total === 0 ? 0 : used / total}
    label={`${percent(total === 0 ? 0 : used / total)} in use, ${used} of ${total}`}
  />
)

export function Problem({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.status === 404 ? 'Not found.' : 'That did not work.'}</strong>{' '}
        <Text most={600}>{error.message}</Text> <span class="small muted mono">{brief(error.code, 60)}</span>
      </p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  )
}

/** What a question gave: its error, that it is under way, or what is made of its data. */
export function Loaded<Data>({
  query,
  children,
}: {
  query: Query<Data>
  children: (data: Data) => ComponentChildren
}) {
  if (query.data !== null) return <>{children(query.data)}</>
  if (query.error) return <Problem error={query.error} retry={query.reload} />
  return (
    <p class="loading" aria-busy="true">
      Loading …
    </p>
  )
}

/** A time as a distance from now, moving by itself. */
export function Ago({ at }: { at: string | null }) {
  const [, setNow] = useState(timeNow())
  useEffect(() => {
    const timer = setInterval(() => setNow(timeNow()), 1_000)
    return () => clearInterval(timer)
  }, [])
  if (at === null) return <span class="muted">–</span>
  return (
    <time class="number" dateTime={at} title={visible(at)}>
      {ago(at, timeNow())}
    </time>
  )
}

export const PoolLink = ({ name }: { name: string }) => (
  <Link to={`/pools/${encodeURIComponent(name)}`} class="cut">
    <Text>{name}</Text>
  </Link>
)
export const TaskLink = ({ id }: { id: string }) => (
  <Link to={`/tasks/${encodeURIComponent(id)}`} class="cut mono">
    <Text>{id}</Text>
  </Link>
)

const SHOWN = 4_000
/** More would make the browser slow, and nobody reads it here. */
const MOST = 400_000

/** Somebody's JSON or text as it is: its beginning, and the rest for who asks. */
export function Source({ value, label }: { value: unknown; label: string }) {
  const [all, setAll] = useState(false)
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? 'null')
  const most = all ? MOST : SHOWN
  return (
    <>
      <pre dir="auto" tabIndex={0} role="group" aria-label={label}>
        {visible(text.slice(0, most))}
        {text.length > most && '…'}
      </pre>
      {text.length > SHOWN && !all && (
        <p class="small">
          <button class="plain" onClick={() => setAll(true)}>
            Show all {text.length.toLocaleString('en')} characters
          </button>
        </p>
      )}
    </>
  )
}

/** Says something to screen readers, and shows it. */
export const Said = ({ children }: { children: ComponentChildren }) => (
  <p role="status" class="small">
    {children}
  </p>
)
