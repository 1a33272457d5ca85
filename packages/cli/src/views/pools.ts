import type { Column } from '@poolmesh/terminal'
import type { DiscoverReply, PoolView } from '@poolmesh/types'
import { showFields } from '../output.ts'
import type { Answer } from './answer.ts'
import type { PoolNews } from './pool-news.ts'

export const POOL_COLUMNS: Column<PoolView>[] = [
  { title: 'pool', value: (pool) => pool.name, widest: 40 },
  { title: 'type', value: (pool) => pool.pool_type, widest: 13 },
  { title: 'health', value: (pool) => pool.health_status, widest: 11, whole: true },
  { title: 'busy', value: (pool) => pool.utilization, widest: 20, align: 'right', whole: true },
  { title: 'queue', value: (pool) => String(pool.queue_size), widest: 8, align: 'right' },
  { title: 'region', value: (pool) => pool.region ?? '-', widest: 16 },
  { title: 'capabilities', value: (pool) => pool.capabilities.join(' ') || '-', widest: 60 },
]

/** One after the other: what differs in length comes last. */
export const NEWS_COLUMNS: Column<PoolNews>[] = [
  { title: 'at (UTC)', value: ({ at }) => at.slice(11, 23), widest: 12 },
  { title: 'change', value: ({ change }) => change, widest: 7 },
  { title: 'health', value: ({ health_status }) => health_status, widest: 11, whole: true },
  {
    title: 'busy',
    value: (news) => `${news.current_workers}/${news.max_workers}`,
    widest: 9,
    align: 'right',
  },
  { title: 'queue', value: ({ queue_size }) => String(queue_size), widest: 6, align: 'right' },
  { title: 'pool', value: ({ pool }) => pool, widest: 40 },
]

export const formatPool = (pool: PoolView): string =>
  showFields([
    ['pool', pool.name],
    ['type', pool.pool_type],
    ['endpoint', pool.endpoint ?? null],
    ['health', pool.health_status],
    ['takes work', pool.is_available ? 'yes' : 'no'],
    ['busy', pool.utilization],
    ['queue', String(pool.queue_size)],
    ['region', pool.region ?? '-'],
    ['capabilities', pool.capabilities.join(' ') || '-'],
    ['metadata', Object.keys(pool.metadata).length > 0 ? JSON.stringify(pool.metadata) : null],
  ])

type Failed = DiscoverReply['failed'][number]

const FAILED: Column<Failed>[] = [
  { title: 'endpoint', value: ({ endpoint }) => endpoint, widest: 60 },
  { title: 'why it failed', value: ({ reason }) => reason, widest: 80 },
]

/** What the endpoints list that was not there before, or not so, or no longer. */
export function discoveryOf(reply: DiscoverReply): Answer<Failed> {
  const names = (list: readonly string[]): string => (list.length === 0 ? '-' : list.join(' '))
  return {
    fields: [
      ['new', names(reply.new)],
      ['changed', names(reply.changed)],
      ['gone', names(reply.gone)],
    ],
    columns: FAILED,
    rows: reply.failed,
  }
}
