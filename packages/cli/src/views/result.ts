import { plain } from '@poolmesh/terminal'
import type { DistributedTaskResult } from '@poolmesh/types'
import { showFields } from '../output.ts'
import { formatSeconds } from './seconds.ts'

/** For people: how it ended, then its output as it is. */
export function formatResult(result: DistributedTaskResult): string {
  const { metadata, output } = result
  const attempts = Number(metadata['attempts'] ?? 1)
  const fields = showFields([
    ['task', result.task_id],
    ['status', result.status],
    ['pool', result.pool_name ?? '-'],
    ['took', tookOf(result)],
    ['attempts', attempts > 1 ? String(attempts) : null],
    ['reason', typeof metadata['reason'] === 'string' ? metadata['reason'] : null],
    ['error', result.error],
  ])
  return output === null ? fields : `${fields}\n${plain(JSON.stringify(output, null, 2))}\n`
}

function tookOf({ duration, metadata }: DistributedTaskResult): string {
  const queued = metadata['queued_ms']
  const waited = typeof queued === 'number' ? `, after waiting ${formatSeconds(queued / 1_000)}` : ''
  return formatSeconds(duration) + waited
}
