// Asks one endpoint over HTTP which pools it has: `GET {endpoint}/pools` → `{pools: [PoolDescriptor]}`.
import { isJsonObject, PoolmeshError } from '@poolmesh/types'
import { type Asking, failure, type Listing, readListing } from './listing.ts'
import { SERVICES_ENDPOINT } from './service-pools.ts'

/** Of one answer: some 10,000 pools. More is a mistake, or somebody who means harm. */
const MAX_BYTES = 8 * 1024 * 1024
/**
 * The endpoint as its pools remember it (`metadata.discovered_from`): the same however it is written.
 * @throws PoolmeshError INVALID_INPUT when it cannot be asked over HTTP
 */
export function normalEndpoint(endpoint: string): string {
  const url = new URL(endpoint)
  if (endpoint === SERVICES_ENDPOINT) return endpoint
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new PoolmeshError('INVALID_INPUT', `is no http or https address, nor ${SERVICES_ENDPOINT}`)
  if (url.username !== '' || url.password !== '')
    throw new PoolmeshError('INVALID_INPUT', 'has credentials, which are not sent')
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}${url.search}`
}

/** @throws PoolmeshError with the reason, for people */
export async function askEndpoint(endpoint: string, asking: Asking): Promise<Listing> {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/pools`
  const text = await get(url, asking)
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw failure('the answer is no JSON')
  }
  if (!isJsonObject(answer) || !Array.isArray(answer['pools']))
    throw failure('the answer has no list `pools`')
  return readListing(answer['pools'], asking)
}

async function get(url: URL, { timeoutMs, signal }: Asking): Promise<string> {
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw failure(`it answers ${response.status}`)
    }
    return await readText(response)
  } catch (error) {
    if (error instanceof PoolmeshError) throw error
    if (signal.aborted) throw failure('the registry stops')
    if ((error as Error).name === 'TimeoutError') throw failure(`no answer within ${timeoutMs / 1_000} s`)
    const cause = (error as Error).cause as { code?: string; message?: string } | undefined
    throw failure(`it cannot be reached: ${cause?.code ?? cause?.message ?? (error as Error).message}`)
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  // Leaving the loop cancels the rest.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw failure(`the answer has more than ${MAX_BYTES / 1024 ** 2} MiB`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
