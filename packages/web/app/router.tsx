// Addresses of the page. Going to another moves the focus to its heading, so that a screen reader says where one is.
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { store, useStore } from './data/store.ts'

const place = store(location.pathname + location.search)
addEventListener('popstate', () => place.set(location.pathname + location.search))

export function go(to: string, { replace = false } = {}): void {
  if (to === place.get()) return
  history[replace ? 'replaceState' : 'pushState'](null, '', to)
  if (!replace) scrollTo(0, 0)
  place.set(to)
}

export function usePlace(): { path: string; search: URLSearchParams } {
  const [path = '/', search = ''] = useStore(place).split('?')
  return { path, search: new URLSearchParams(search) }
}

/** Fields of the address that a filter keeps; those that are empty are left out. */
export function setSearch(fields: Record<string, string>): void {
  const search = new URLSearchParams(location.search)
  for (const [key, value] of Object.entries(fields))
    if (value === '') search.delete(key)
    else search.set(key, value)
  const text = search.toString()
  go(location.pathname + (text === '' ? '' : `?${text}`), { replace: true })
}

interface LinkProps {
  to: string
  children: ComponentChildren
  class?: string
  'aria-current'?: 'page' | undefined
  'aria-label'?: string
}

export function Link({ to, children, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        if (
          event.defaultPrevented ||
          event.button !== 0 ||
          event.metaKey ||
          event.ctrlKey ||
          event.shiftKey ||
          event.altKey
        )
          return
        event.preventDefault()
        go(to)
      }}
    >
      {children}
    </a>
  )
}

let first = true

/** The heading of a screen: names the tab, and has the focus when one comes from another screen. */
export function Title({
  children,
  name,
  id = 'title',
}: {
  children: ComponentChildren
  name: string
  id?: string
}) {
  useEffect(() => {
    document.title = name === '' ? 'poolmesh' : `${name} · poolmesh`
    if (!first) document.getElementById(id)?.focus({ preventScroll: true })
    first = false
  }, [name, id])
  return (
    <h1 id={id} tabIndex={-1}>
      {children}
    </h1>
  )
}
