import type { Column } from '@poolmesh/terminal'
import type { Candidate, ExplainReply } from '@poolmesh/types'
import type { Answer } from './answer.ts'

const COLUMNS: Column<Candidate>[] = [
  { title: 'pool', value: (one) => one.pool, widest: 40 },
  { title: 'verdict', value: (one) => one.verdict, widest: 12, whole: true },
  {
    title: 'score',
    value: (one) => (one.score === null ? '-' : String(one.score)),
    widest: 10,
    align: 'right',
  },
  { title: 'reason', value: (one) => one.reason, widest: 60 },
]

/** The decision, and every pool that was looked at with what speaks for or against it. */
export function explanationOf(reply: ExplainReply): Answer<Candidate> {
  const { candidates, counts } = reply
  const looked = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const fields: Answer<Candidate>['fields'] = [
    ['task', reply.task_id ?? '(not submitted)'],
    ['status', reply.status],
    ['strategy', reply.strategy],
    ['pool', reply.chosen ?? '-'],
    ['waits for', reply.waiting_for],
    ['pools', looked > candidates.length ? countsOf(counts) : null],
  ]
  return { fields, columns: COLUMNS, rows: candidates }
}

/** Where there are more pools than candidates are told. */
const countsOf = (counts: ExplainReply['counts']): string =>
  Object.entries(counts)
    .map(([reason, count]) => `${count} ${reason}`)
    .join('; ')
