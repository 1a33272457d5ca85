// What the tasks that wait require: so that whoever can start more workers knows of which pools.
import { firstThatFit, type TaskEngine } from '@poolmesh/core'
import { type ExecutorStatsReply, MAX_WAITING } from '@poolmesh/types'
import type { Held } from './held.ts'

export type WaitingCount = ExecutorStatsReply['waiting'][number]

/** Names of capabilities are of any length, and all of it goes into one reply. */
const MAX_BYTES = 256 * 1024

/** Of the tasks in memory. Those that lie in the stream are not counted, nor those that are for later. */
export function waitingCounts({ waiting }: TaskEngine<Held>): WaitingCount[] {
  const counts: WaitingCount[] = []
  for (const { requirements, waiting: tasks } of waiting.signatures())
    if (tasks > 0)
      counts.push({ required_capabilities: [...requirements.capabilities], pool: requirements.pool, tasks })
  return mostFrequent(counts)
}

/** Over all executors. */
export function addWaiting(parts: readonly (readonly WaitingCount[])[]): WaitingCount[] {
  const sums = new Map<string, WaitingCount>()
  for (const count of parts.flat()) {
    const key = JSON.stringify([count.pool, count.required_capabilities])
    const known = sums.get(key)
    sums.set(key, known ? { ...known, tasks: known.tasks + count.tasks } : count)
  }
  return mostFrequent([...sums.values()])
}

const mostFrequent = (counts: WaitingCount[]): WaitingCount[] =>
  firstThatFit(counts.sort((a, b) => b.tasks - a.tasks).slice(0, MAX_WAITING), MAX_BYTES)
