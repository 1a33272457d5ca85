// Memory as a service: results go to Session-Buddy and Akosha, and are searched there and in an index of our own. Any number may
// run: they share the consumers, and each has the whole index.
import { setTimeout as pause } from 'node:timers/promises'
import { McpSessions, mcpServerAt } from '@poolmesh/adapters'
import { endpoint, type ServiceContext, type StartService, serve } from '@poolmesh/bus'
import { memorySearchRequestSchema, SUBJECTS } from '@poolmesh/types'
import { Akosha } from './akosha.ts'
import { Collector } from './collector.ts'
import type { Destination } from './destination.ts'
import { RecentFeed } from './recent-feed.ts'
import { RecentIndex } from './recent-index.ts'
import { type Source, searchAll } from './search.ts'
import { SessionBuddy } from './session-buddy.ts'

/** Of a search: for results that came just before it. */
const READ_MS = 1_500
const SWEEP_MS = 5_000
/** For calls that are under way when it stops; then they are cut. */
const STOP_MS = 4_000

/** Without `memory_aggregation_enabled` it only answers searches, from its own index. The streams have to be there. */
export const startMemory: StartService = async (context) => {
  await using parts = new AsyncDisposableStack()
  const { nc, settings, log } = context
  const index = new RecentIndex()
  const feed = parts.use(await RecentFeed.start(nc, index, log))
  const stop = new AbortController()
  const destinations = settings.pools.memory_aggregation_enabled ? open(context, parts, stop.signal) : []
  const recent: Source = {
    source: 'recent',
    async search(query, limit) {
      // What is there by then is better than nothing.
      await Promise.race([feed.read().catch(() => {}), pause(READ_MS, undefined, { ref: false })])
      return index.search(query, limit)
    },
  }
  parts.use(
    await serve(nc, {
      name: 'poolmesh-memory',
      description: 'Stores results in Session-Buddy and Akosha, and searches them',
      log,
      endpoints: [
        endpoint({
          subject: SUBJECTS.memorySearch,
          request: memorySearchRequestSchema,
          handle: ({ query, limit }) => searchAll([recent, ...destinations], query, limit),
        }),
      ],
    }),
  )
  for (const destination of destinations) {
    const collector = parts.use(await collect(context, destination, stop.signal))
    context.metrics?.source((tell) => collector.tell(tell))
  }
  // First of all: they stop together, and each is waited for.
  parts.defer(() => {
    log.info('stops')
    stop.abort()
  })
  log.info({ collects: settings.pools.memory_aggregation_enabled }, 'results can be searched')
  return parts.move()
}

const collect = (
  { nc, settings, log }: ServiceContext,
  destination: Destination,
  stopping: AbortSignal,
): Promise<Collector> =>
  Collector.start({
    nc,
    destination,
    intervalMs: settings.pools.memory_sync_interval * 1_000,
    keptHours: settings.poolmesh.results_hours,
    stopping,
    log,
  })

function open(
  { settings }: ServiceContext,
  parts: AsyncDisposableStack,
  stopping: AbortSignal,
): Destination[] {
  const { session_buddy_url, akosha_url } = settings.pools
  const { http_headers } = settings.poolmesh
  const sessions = new McpSessions()
  const sweeping = setInterval(() => sessions.sweep(), SWEEP_MS)
  const cut = new AbortController()
  stopping.addEventListener('abort', () => setTimeout(() => cut.abort(), STOP_MS).unref())
  parts.defer(async () => {
    clearInterval(sweeping)
    cut.abort()
    await sessions.close()
  })
  const session = (url: string) => () => sessions.of(mcpServerAt(url, http_headers))
  return [
    new SessionBuddy(session(session_buddy_url), cut.signal),
    new Akosha(session(akosha_url), cut.signal),
  ]
}
