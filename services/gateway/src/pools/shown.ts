// A pool as it leaves the gateway: what could be a secret is not in it.
import type { PoolView } from '@poolmesh/types'

const SECRET_KEY =
  /(^|[_-])auth([_-]|$)|authorization|bearer|token|secret|passw|pwd|(api|access|private)[_-]?key|credential|cookie|^sig$|signature/i
/** In a text: the name and password of an address, and what is sent as a header. */
const SECRETS_IN_TEXT: readonly [RegExp, string][] = [
  [/(\b[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@]{1,512}@/gi, '$1hidden@'],
  [/\b(Bearer|Basic) +[\w.~+/=-]{16,512}/gi, '$1 [hidden]'],
]
const HIDDEN = '[hidden]'
/** Deeper than metadata is; what is below is left out. */
const MAX_DEPTH = 8

export function shownPool(pool: PoolView): PoolView {
  const endpoint = pool.endpoint == null ? pool.endpoint : withoutSecrets(pool.endpoint)
  return { ...pool, ...(endpoint === undefined ? {} : { endpoint }), metadata: hideIn(pool.metadata, 0) }
}

/** A name and a password in a URL, and values in its query that are called secrets. */
function withoutSecrets(endpoint: string): string {
  if (!URL.canParse(endpoint)) return HIDDEN
  const url = new URL(endpoint)
  if (url.username === '' && url.password === '' && url.search === '') return endpoint
  if (url.username !== '' || url.password !== '') {
    url.username = 'hidden'
    url.password = ''
  }
  for (const key of url.searchParams.keys()) if (SECRET_KEY.test(key)) url.searchParams.set(key, HIDDEN)
  return url.href
}

const withoutSecretsIn = (text: string): string =>
  SECRETS_IN_TEXT.reduce((shown, [pattern, instead]) => shown.replace(pattern, instead), text)

function hideIn<Fields extends Record<string, unknown>>(fields: Fields, depth: number): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      SECRET_KEY.test(key) ? HIDDEN : hideValue(value, depth),
    ]),
  ) as Fields
}

function hideValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutSecretsIn(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return HIDDEN
  if (Array.isArray(value)) return value.map((one) => hideValue(one, depth + 1))
  return hideIn(value as Record<string, unknown>, depth + 1)
}
