// Who may ask. Invariants:
// 1. On loopback no token is needed, and a page of another site can neither read nor change anything: its name for us is
//    not in the Host header that we take, its origin is not ours, and no form can send what changes something.
// 2. On any other address nothing of the API is answered without the token.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv4 } from 'node:net'
import { PoolmeshError } from '@poolmesh/types'
import { isOurs, wrongType } from './media-types.ts'
import { HttpFault } from './problem.ts'

/** What changes nothing, whatever is behind it. */
const SAFE: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Read by load balancers, which have no token, and they say nothing of what is run. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz'])
/** The page itself holds no data; it asks for the token and sends it with everything that it loads. */
const isProtected = (path: string): boolean =>
  !OPEN_PATHS.has(path) && (path.startsWith('/api/') || path === '/metrics' || path.startsWith('/mcp'))

const isLoopback = (address: string): boolean =>
  address === '::1' || (isIPv4(address) && address.startsWith('127.'))

export interface Guard {
  /** @param path of the request, without its query. @throws HttpFault 400, 401, 403, 415 or 421 */
  check(request: IncomingMessage, path: string): void
}

/** @throws PoolmeshError INVALID_SETTING for another address than loopback without a token */
export function openGuard(host: string, token: string | undefined): Guard {
  if (!isLoopback(host) && token === undefined)
    throw new PoolmeshError(
      'INVALID_SETTING',
      `POOLMESH_HTTP_HOST is ${host}, which others can reach: set POOLMESH_HTTP_TOKEN to a secret of 16 characters or more, or listen on 127.0.0.1`,
      [{ path: 'POOLMESH_HTTP_TOKEN', message: 'is needed for that address' }],
    )
  const wanted = token === undefined ? null : digest(token)
  return {
    check(request, path) {
      if (request.headers.host === undefined)
        throw new HttpFault(400, 'INVALID_INPUT', 'the request has no Host header')
      if (isLoopback(host)) checkHost(request)
      if (wanted !== null && isProtected(path)) checkToken(request, wanted)
      if (!SAFE.has(request.method)) checkOrigin(request)
    },
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function checkToken(request: IncomingMessage, wanted: Buffer): void {
  const [, given] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
  if (given !== undefined && timingSafeEqual(digest(given), wanted)) return
  const what = given === undefined ? 'a token is needed: Authorization: Bearer <token>' : 'the token is wrong'
  throw new HttpFault(401, 'UNAUTHORIZED', what, { 'www-authenticate': 'Bearer realm="poolmesh"' })
}

/** The name in a Host header, without its port. */
const hostName = (host: string): string => host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

/** A name that somebody's DNS gave our address would let his page talk to us as its own server. */
function checkHost(request: IncomingMessage): void {
  const name = hostName(request.headers.host ?? '')
  if (name === 'localhost' || name.endsWith('.localhost') || (isIP(name) !== 0 && isLoopback(name))) return
  throw new HttpFault(
    421,
    'UNAUTHORIZED',
    'the Host header must be a loopback address or localhost: this server is for its own machine only',
  )
}

/** A page of another site can send a form, but neither JSON nor headers of its own without asking, and we say no. */
function checkOrigin(request: IncomingMessage): void {
  const { origin, host, 'content-type': type = '', 'x-requested-with': requested } = request.headers
  if (origin !== undefined && URL.canParse(origin) && new URL(origin).host === host) return
  if (origin !== undefined)
    throw new HttpFault(403, 'UNAUTHORIZED', 'requests of pages from elsewhere are not taken')
  if (isOurs(type) || requested !== undefined) return
  if (type !== '') throw wrongType(type)
  throw new HttpFault(
    403,
    'UNAUTHORIZED',
    'what changes something needs the header Content-Type: application/json or X-Requested-With',
  )
}
