// Spans of tasks, made beside the engine from what it asks of the outside: where traces are off, nothing of this is in its way.
//
// Ids follow from the task's id, so that an executor that takes over goes on with the spans that pools were told of.
import { createHash } from 'node:crypto'
import type { Batch, EnginePorts, Run } from '@poolmesh/core'
import type { SpanIds, Tracing } from '@poolmesh/tracing'
import type { DistributedTask, DistributedTaskResult } from '@poolmesh/types'
import type { Held } from './held.ts'

type Span = ReturnType<Tracing['start']>

interface TaskTrace {
  readonly span: Span
  /** Of the last run; null before the first, and once it has ended. */
  dispatch: Span | null
  attempt: number
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

  /** The same ports, with spans. */
  watch(ports: EnginePorts<Held>): EnginePorts<Held> {
    return {
      ...ports,
      dispatch: (run) => ports.dispatch(this.#dispatched(run)),
      adopted: (run) => {
        this.#dispatched(run)
        ports.adopted?.(run)
      },
      freed: (run) => {
        const known = this.#batches.get(run.entry.batch)?.get(run.entry.task.task_id)
        if (known?.attempt === run.attempt && known.freedAt === 0) known.freedAt = Date.now()
        ports.freed(run)
      },
      append: (batch, results) => {
        const count = ports.append(batch, results)
        for (let i = 0; i < count; i++) this.#ended(batch, results[i] as DistributedTaskResult)
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

  #dispatched(run: Run): Run {
    const { entry, attempt, pool, startedAt } = run
    const { task_id, routing_strategy } = entry.task
    // Given up under an earlier executor: its task is over.
    if (entry.state === 'settled' || entry.batch.id === '') return run
    const known = this.#taskOf(entry.batch, entry.task)
    this.#endDispatch(known, known.freedAt || entry.waitingSince, entry.history.at(-1))
    const queue = this.#start('poolmesh.queue', task_id, `queue ${attempt}`, known.span, entry.waitingSince)
    queue.setAttributes({ 'poolmesh.attempt': attempt, 'poolmesh.lane': entry.batch.lane })
    queue.end(startedAt)
    const span = this.#start('poolmesh.dispatch', task_id, `run ${attempt}`, known.span, startedAt, 'client')
    span.setAttributes({
      'poolmesh.attempt': attempt,
      'poolmesh.pool': pool.name,
      'poolmesh.pool.type': pool.descriptor.pool_type,
      'poolmesh.strategy': routing_strategy,
    })
    Object.assign(known, { dispatch: span, attempt, freedAt: 0 })
    return this.#told(run, this.#tracing.traceparentOf(span))
  }

  /** The run as its pool is sent it. Whatever else of it changes is seen through it. */
  #told(run: Run, traceparent: string): Run {
    const { task } = run.entry
    const told = { ...task, metadata: { ...task.metadata, traceparent } }
    const entry = Object.create(run.entry, { task: { value: told }, text: { value: null } })
    return Object.create(run, { entry: { value: entry } }) as Run
  }

  #taskOf(batch: Batch<Held>, task: DistributedTask): TaskTrace {
    const tasks = this.#batches.get(batch) ?? new Map<string, TaskTrace>()
    this.#batches.set(batch, tasks)
    const before = tasks.get(task.task_id)
    if (before) return before
    const span = this.#tracing.start('poolmesh.task', {
      ids: idsOf(task.task_id, 'task'),
      kind: 'consumer',
      startTime: batch.submittedAt,
      parent: this.#tracing.parentOf(task.metadata['traceparent']),
      attributes: {
        'poolmesh.task.id': task.task_id,
        'poolmesh.task.type': task.task_type,
        'poolmesh.priority': task.priority,
      },
    })
    const made: TaskTrace = { span, dispatch: null, attempt: 0, freedAt: 0, storedFrom: 0 }
    tasks.set(task.task_id, made)
    return made
  }

  #ended(batch: Batch<Held>, result: DistributedTaskResult): void {
    const { task_id, status, error, metadata, pool_name } = result
    const task = batch.entries.find((entry) => entry.task.task_id === task_id)?.task
    if (!task) return
    const known = this.#taskOf(batch, task)
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
      ids: idsOf(taskId, what),
      kind,
      startTime,
      parent: this.#tracing.within(parent),
    })
  }
}

function idsOf(taskId: string, what: string): SpanIds {
  return {
    traceId: createHash('sha256').update(taskId).digest('hex').slice(0, 32),
    spanId: createHash('sha256').update(`${taskId} ${what}`).digest('hex').slice(0, 16),
  }
}
