// Spans of tasks, made beside the engine from what it asks of the outside: where traces are off, nothing of this is in its way.
//
// Ids follow from the task's id, so that an executor that takes over goes on with the spans that pools were told of.
import { createHash } from 'node:crypto'
import type { Batch, EnginePorts, Entry, Run } from '@poolmesh/core'
import type { Tracing } from '@poolmesh/tracing'
import type { DistributedTask, DistributedTaskResult } from '@poolmesh/types'
import type { Held } from './held.ts'

type Span = ReturnType<Tracing['start']>

interface TaskTrace {
  readonly span: Span
  /** Of the last run; null before the first, and once it has ended. */
  dispatch: Span | null
  attempt: number
  pool: string
  /** When its pool gave the slot back (ms since the epoch); 0: not yet. */
  freedAt: number
  /** When its result was handed to storage; 0: not yet. */
  storedFrom: number
}

export class TaskTraces {
  readonly #tracing: Tracing
  /** What is let go of takes its spans with it. */
  readonly #batches = new WeakMap<Batch<Held>, Map<string, TaskTrace>>()

  constructor(tracing: Tracing) {
    this.#tracing = tracing
  }

  /**
   * The same ports, with spans.
   * @param find a task that has no stored result
   */
  watch(ports: EnginePorts<Held>, find: (taskId: string) => Entry | undefined): EnginePorts<Held> {
    return {
      ...ports,
      dispatch: (run) => {
        this.#waited(run)
        ports.dispatch(this.#dispatched(run))
      },
      // Its wait is told by whoever began it.
      adopted: (run) => {
        this.#dispatched(run, { 'poolmesh.adopted': true })
        ports.adopted?.(run)
      },
      lostBefore: (entry, run) => this.#lostBefore(entry, run),
      freed: (run) => {
        const known = this.#batches.get(run.entry.batch)?.get(run.entry.task.task_id)
        if (known?.attempt === run.attempt && known.freedAt === 0) known.freedAt = Date.now()
        ports.freed(run)
      },
      append: (batch, results) => {
        const count = ports.append(batch, results)
        for (let i = 0; i < count; i++) {
          const result = results[i] as DistributedTaskResult
          const entry = find(result.task_id)
          if (entry?.batch === batch) this.#ended(entry, result)
        }
        return count
      },
    }
  }

  /** Its results are stored: their tasks are over. */
  stored(batch: Batch<Held>, results: readonly DistributedTaskResult[]): void {
    const known = this.#batches.get(batch)
    if (!known) return
    for (const { task_id } of results) {
      const task = known.get(task_id)
      if (!task || task.storedFrom === 0) continue
      this.#start('poolmesh.store', task_id, 'store', task.span, task.storedFrom).end()
      task.span.end()
      known.delete(task_id)
    }
  }

  #waited({ entry, attempt, pool, startedAt }: Run): void {
    const { span } = this.#taskOf(entry)
    const { task_id } = entry.task
    const queue = this.#start('poolmesh.queue', task_id, `queue ${attempt}`, span, entry.waitingSince)
    queue.setAttributes({
      'poolmesh.attempt': attempt,
      'poolmesh.pool': pool.name,
      'poolmesh.lane': entry.batch.lane,
    })
    queue.end(startedAt)
  }

  #dispatched(run: Run, more: { 'poolmesh.adopted'?: boolean } = {}): Run {
    const { entry, attempt, pool } = run
    // Given up under an earlier executor: its task is over.
    if (entry.state === 'settled' || entry.batch.id === '') return run
    const known = this.#taskOf(entry)
    this.#endDispatch(known, known.freedAt || entry.waitingSince, whyAgain(known, entry))
    const span = this.#dispatch(known.span, entry, { ...run, pool: pool.name })
    span.setAttributes({ 'poolmesh.pool.type': pool.descriptor.pool_type, ...more })
    Object.assign(known, { dispatch: span, attempt, pool: pool.name, freedAt: 0 })
    return this.#told(run, this.#tracing.traceparentOf(span))
  }

  #dispatch(
    parent: Span,
    { task }: Entry,
    { attempt, pool, startedAt }: { attempt: number; pool: string; startedAt: number },
  ): Span {
    const what = `run ${attempt}`
    const span = this.#start('poolmesh.dispatch', task.task_id, what, parent, startedAt, 'client')
    return span.setAttributes({
      'poolmesh.attempt': attempt,
      'poolmesh.pool': pool,
      'poolmesh.strategy': task.routing_strategy,
    })
  }

  /** Whoever began it did not live to tell of it, and its pool may have told of what was under it. */
  #lostBefore(entry: Entry, run: { pool: string; attempt: number; startedAt: number }): void {
    const span = this.#dispatch(this.#taskOf(entry).span, entry, run)
    span.setAttribute('poolmesh.reason', 'POOL_LOST')
    this.#tracing.failed(span, 'the pool and the executor that had sent it the task were lost')
    span.end()
  }

  /** The run as its pool is sent it. Whatever else of it changes is seen through it. */
  #told(run: Run, traceparent: string): Run {
    const { task } = run.entry
    const told = { ...task, metadata: { ...task.metadata, traceparent } }
    const entry = Object.create(run.entry, { task: { value: told }, text: { value: null } })
    return Object.create(run, { entry: { value: entry } }) as Run
  }

  #taskOf({ batch, task }: { batch: Batch<Held>; task: DistributedTask }): TaskTrace {
    const tasks = this.#batches.get(batch) ?? new Map<string, TaskTrace>()
    this.#batches.set(batch, tasks)
    const before = tasks.get(task.task_id)
    if (before) return before
    const span = this.#tracing.start('poolmesh.task', {
      ids: {
        traceId: digest(task.task_id).slice(0, 32),
        spanId: digest(`${task.task_id} task`).slice(0, 16),
      },
      kind: 'consumer',
      startTime: batch.submittedAt,
      parent: this.#tracing.parentOf(task.metadata),
      attributes: {
        'poolmesh.task.id': task.task_id,
        'poolmesh.task.type': task.task_type,
        'poolmesh.priority': task.priority,
      },
    })
    const made: TaskTrace = { span, dispatch: null, attempt: 0, pool: '', freedAt: 0, storedFrom: 0 }
    tasks.set(task.task_id, made)
    return made
  }

  #ended(entry: Entry, { status, error, metadata, pool_name }: DistributedTaskResult): void {
    const known = this.#taskOf(entry)
    const reason = metadata['reason'] as string | undefined
    const failure = status === 'completed' ? undefined : { reason: reason ?? status, error: error ?? '' }
    const now = Date.now()
    this.#endDispatch(known, known.freedAt || now, failure)
    known.span.setAttributes({
      'poolmesh.status': status,
      'poolmesh.attempts': Number(metadata['attempts'] ?? 0),
      ...(pool_name === null ? {} : { 'poolmesh.pool': pool_name }),
      ...(reason === undefined ? {} : { 'poolmesh.reason': reason }),
    })
    if (failure) this.#tracing.failed(known.span, failure.error)
    known.storedFrom = now
  }

  #endDispatch(known: TaskTrace, at: number, failure?: { reason: string; error?: string }): void {
    const { dispatch } = known
    if (!dispatch) return
    if (failure) {
      dispatch.setAttribute('poolmesh.reason', failure.reason)
      this.#tracing.failed(dispatch, failure.error ?? failure.reason)
    }
    dispatch.end(at)
    known.dispatch = null
  }

  #start(
    name: string,
    taskId: string,
    what: string,
    parent: Span,
    startTime: number,
    kind: 'internal' | 'client' = 'internal',
  ): Span {
    return this.#tracing.start(name, {
      ids: { spanId: digest(`${taskId} ${what}`).slice(0, 16) },
      kind,
      startTime,
      parent: this.#tracing.within(parent),
    })
  }
}

/** What ended the run before the one that begins. */
function whyAgain(known: TaskTrace, { history }: Entry): { reason: string; error?: string } {
  const last = history.at(-1)
  return last?.pool === known.pool
    ? last
    : { reason: 'ANSWER_LOST', error: 'it is tried again, since its answer may be lost' }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
