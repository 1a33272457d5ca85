// Where a pool behind HTTP is, and which headers are sent there.

/** By a URL: endpoints that begin with it, on the same origin, get these headers. */
export type HeadersByUrl = Readonly<Record<string, Readonly<Record<string, string>>>>

export interface Target {
  /** Without credentials and without a slash at its end. */
  readonly base: string
  readonly headers: Readonly<Record<string, string>>
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
const withoutSlash = (path: string): string => path.replace(/\/+$/, '')

/** Whether an endpoint belongs to adapters of plain HTTP: `…/mcp` is an MCP server. */
export function isHttpEndpoint(endpoint: string | null | undefined): boolean {
  const url = URL.parse(endpoint ?? '')
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    !/\/mcp$/.test(withoutSlash(url.pathname))
  )
}

/** Where to send requests, and what with: see headersFor(). */
export function targetOf(endpoint: string, configured: HeadersByUrl): Target {
  const url = new URL(endpoint)
  return { base: url.origin + withoutSlash(url.pathname), headers: headersFor(endpoint, configured) }
}

/**
 * The headers of an endpoint, names in lower case: its own credentials, and what is configured for its address.
 * Headers go by address and not by the name of a pool: whoever registers a pool could else have them sent to any address.
 * Of several URLs that fit the longest counts.
 */
export function headersFor(endpoint: string, configured: HeadersByUrl): Record<string, string> {
  const url = new URL(endpoint)
  const path = withoutSlash(url.pathname)
  const credentials = `${decoded(url.username)}:${decoded(url.password)}`
  const headers: Record<string, string> = {}
  if (credentials !== ':') headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`
  const [longest] = Object.keys(configured)
    .filter((prefix) => {
      const wanted = new URL(prefix)
      const start = withoutSlash(wanted.pathname)
      return wanted.origin === url.origin && (path === start || path.startsWith(`${start}/`))
    })
    .sort((a, b) => new URL(b).pathname.length - new URL(a).pathname.length)
  for (const [name, value] of Object.entries(configured[longest ?? ''] ?? {}))
    headers[name.toLowerCase()] = value
  return headers
}
