// Who may talk to an HTTP pool: who has its token, or, where it has none, programs on the same machine.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIPv4 } from 'node:net'
import { refusal } from './exchange.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** @param host a name or an address */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))

/** Checks a request. @throws Refused */
export type Access = (request: IncomingMessage) => void

/** Without a token a name that leads here from a page in a browser must not do: it could be anybody's. */
export function accessBy(token: string | undefined): Access {
  if (token === undefined)
    return ({ headers }) => {
      if (!isLoopback(URL.parse(`http://${headers.host}`)?.hostname ?? ''))
        throw refusal('UNAUTHORIZED', 'the pool is reached by another name than localhost', 403)
    }
  const wanted = digest(`Bearer ${token}`)
  return ({ headers }) => {
    if (!timingSafeEqual(digest(headers.authorization ?? ''), wanted))
      throw refusal('UNAUTHORIZED', 'the pool wants a bearer token', 401, { 'www-authenticate': 'Bearer' })
  }
}
