// What a task of the chaos run asks of its pool, and what the history says of the run.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kind } from '../history/events.ts'
import type { History } from '../history/writer.ts'

interface Job {
  k: Kind
  /** How long it takes. */
  ms: number
}

export type Outcome = 'done' | 'failed' | 'stopped'

/** Runs it, from `begin` to `end` in the history. A run that is told to stop ends there and then. */
export async function work(
  history: History,
  pool: string,
  task: { task_id: string; payload: Record<string, unknown> },
  attempt: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const { k, ms } = task.payload as unknown as Job
  const about = { p: pool, id: task.task_id, a: attempt }
  history.write({ e: 'begin', ...about })
  await sleep(ms, undefined, { signal }).catch(() => {})
  const fails = k === 'f' || (k === 'r' && attempt === 1)
  const how = signal.aborted ? 'stopped' : fails ? 'failed' : 'done'
  history.write({ e: 'end', ...about, how })
  return how
}
