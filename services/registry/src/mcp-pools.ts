// Asks an MCP server which pools it has: `pool_list` (mahavishnu, objects) or `list_pools` (Session-Buddy, a text for people).
import { answerOf, McpFault } from '@poolmesh/adapters'
import { isJsonObject, PoolmeshError } from '@poolmesh/types'
import { type Asking, failure, type Listing, readListing } from './listing.ts'

/** As the adapters tell MCP servers from others. */
export const isMcpEndpoint = (endpoint: string): boolean => /\/mcp\/*$/.test(new URL(endpoint).pathname)

/**
 * @param endpoint as it was written, since `/mcp` and `/mcp/` differ
 * @throws PoolmeshError with the reason, for people
 */
export async function askMcp(endpoint: string, asking: Asking): Promise<Listing> {
  // Opening a session and reading the tools have times of their own, which may be longer.
  const { promise, reject } = Promise.withResolvers<never>()
  const late = (): void => reject(failure(`no answer within ${asking.timeoutMs / 1_000} s`))
  const timer = setTimeout(late, asking.timeoutMs)
  try {
    return await Promise.race([askTools(endpoint, asking), promise])
  } finally {
    clearTimeout(timer)
  }
}

async function askTools(endpoint: string, asking: Asking): Promise<Listing> {
  const { timeoutMs, signal } = asking
  const session = asking.session(endpoint)
  try {
    const tools = await session.tools({ timeoutMs, signal })
    const tool = ['pool_list', 'list_pools'].find((name) => tools.has(name))
    if (tool === undefined) throw failure('it has neither the tool pool_list nor list_pools')
    const said = answerOf(await session.call(tool, {}, { timeoutMs, signal }), tool, false)
    if (said.kind !== 'answer') throw failure(`${tool}: ${said.problem}`)
    const { status, output, error } = said.answer
    if (status !== 'completed') throw failure(`${tool} says: ${error}`)
    const entries =
      tool === 'pool_list' ? objectsIn(output ?? {}) : linesIn(String(output?.['text'] ?? ''), tool)
    const more =
      tool === 'pool_list'
        ? { pool_type: 'mahavishnu', ...(tools.has('pool_execute') ? { use: 'pool_execute' } : {}) }
        : { pool_type: 'session_buddy' }
    return readListing(
      entries.map((entry) => descriptorOf(entry, endpoint, more)),
      asking,
    )
  } catch (error) {
    if (error instanceof PoolmeshError) throw error
    if (signal.aborted) throw failure('the registry stops')
    if (error instanceof McpFault) throw failure(`it cannot be asked: ${error.message}`)
    throw error
  }
}

interface Entry {
  id: unknown
  workers: unknown
  isRunning: boolean
  capabilities?: unknown
  region?: unknown
}

/** `[{pool_id, workers, …}]`, by itself or under `pools`. */
function objectsIn(output: Record<string, unknown>): Entry[] {
  const list = output['result'] ?? output['pools'] ?? parsed(output['text'])
  if (!Array.isArray(list)) throw failure('pool_list does not answer with a list')
  return list.filter(isJsonObject).map((entry) => ({
    id: entry['pool_id'] ?? entry['name'],
    workers: entry['max_workers'] ?? entry['workers'],
    isRunning: entry['running'] !== false && entry['status'] !== 'stopped',
    capabilities: entry['capabilities'],
    region: entry['region'],
  }))
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text))
  } catch {
    return null
  }
}

/**
 * `📊 Pools (2 total):` and a line for each, `- <id>: running=True, workers=3`. Unless as many can be read as it says, nothing is
 * taken from it: a pool that was overlooked would count as gone.
 */
function linesIn(text: string, tool: string): Entry[] {
  const total = /\((\d+) total\)/.exec(text)?.[1]
  const entries = [...text.matchAll(/^\s*[-*•]\s*([^\s:]+):\s*(.*)$/gm)].map(([, id, about = '']) => ({
    id,
    workers: Number(/\bworkers=(\d+)/.exec(about)?.[1] ?? Number.NaN),
    isRunning: !/\brunning=False\b/.test(about),
  }))
  if (total === undefined) throw failure(`${tool} answers with a text in which no pools can be read`)
  if (Number(total) !== entries.length)
    throw failure(`${tool} says that it has ${total} pools, and ${entries.length} can be read in its text`)
  return entries
}

const descriptorOf = (
  { id, workers, isRunning, capabilities, region }: Entry,
  endpoint: string,
  { pool_type, use }: { pool_type: string; use?: string },
): Record<string, unknown> => {
  const count = Array.isArray(workers) ? workers.length : workers
  return {
    name: id,
    pool_type,
    endpoint,
    ...(typeof count === 'number' && count >= 1 ? { max_workers: count } : {}),
    ...(Array.isArray(capabilities) ? { capabilities } : {}),
    ...(typeof region === 'string' ? { region } : {}),
    ...(isRunning ? {} : { health_status: 'unavailable' }),
    metadata: { mcp: { pool_id: id, ...(use === undefined ? {} : { use }) } },
  }
}
