import { type HeadersByUrl, headersFor } from '../http/target.ts'
import type { McpServer } from './session.ts'

/** The server at an address: its credentials, and what is configured for that address, are headers. */
export function mcpServerAt(address: string, configured: HeadersByUrl): McpServer {
  const url = new URL(address)
  const headers = headersFor(url.href, configured)
  url.username = ''
  url.password = ''
  url.hash = ''
  return { url: url.href, headers }
}
