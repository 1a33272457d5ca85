// What has ended, whoever submitted it: the stored results newest first, and those that come.
import type { StoredMsg } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import {
  completedSubject,
  type DistributedTaskResult,
  STREAMS,
  SUBJECTS,
  type TerminalStatus,
} from '@poolmesh/types'
import { onAbort } from './abort.ts'
import { EventStream } from './event-stream.ts'
import { type BackPage, readBack } from './read-back.ts'
import { readResults } from './task-summary.ts'

/**
 * How a task ended, and when that was stored. An output that was too large for a message is not in it: `output` is null
 * then, and `executor.getTaskResult` fetches it.
 */
export interface EndedTask {
  result: DistributedTaskResult
  /** RFC 3339. Tasks of one batch that ended together have the same. */
  at: string
  /** Of the message in the stream RESULTS that has it. */
  sequence: number
}

/** What is wanted of all that ended; without any: all. */
export interface ResultFilter {
  status?: readonly TerminalStatus[] | undefined
  /** Name of the pool that ran it. */
  pool?: string | undefined
}

export interface RecentResultsOptions {
  /** Results at most; default 100. */
  limit?: number | undefined
  filter?: ResultFilter | undefined
  /** What the page before gave. */
  cursor?: string | null | undefined
  /** Results that are looked at, at most, for those that the filter wants; default 100,000. The cursor goes on behind. */
  scan?: number | undefined
}

export interface TailResultsOptions {
  filter?: ResultFilter | undefined
  /** Ends the iteration. */
  signal?: AbortSignal | undefined
  /** Results that the reader may be behind; beyond, the oldest are dropped and counted in `missed`. Default 10,000. */
  buffer?: number | undefined
}

const DEFAULT_LIMIT = 100
const DEFAULT_SCAN = 100_000
const DEFAULT_BUFFER = 10_000

/**
 * One page of the results that are kept (24 h by default), newest first. A task submitted alone has a message of its own,
 * a batch shares some: both are told apart as tasks here. Branches of fan-outs are in the result of their parent.
 * @throws PoolmeshError INVALID_INPUT for a cursor that is none, UNAVAILABLE
 */
export async function recentResults(
  nc: NatsConnection,
  options: RecentResultsOptions = {},
): Promise<BackPage<EndedTask>> {
  const wanted = matcherOf(options.filter)
  return await readBack<EndedTask>(nc, {
    stream: STREAMS.results,
    subject: completedSubject('*'),
    limit: options.limit ?? DEFAULT_LIMIT,
    cursor: options.cursor,
    scan: options.scan ?? DEFAULT_SCAN,
    read: (message: StoredMsg) =>
      readResults(message.data).map((result) =>
        result && wanted(result) ? { result, at: message.time.toISOString(), sequence: message.seq } : null,
      ),
  })
}

/**
 * Results as they are stored, from now on; the subscription is made before this returns. Leave the loop, or abort the
 * signal, to stop. It is no delivery promise: what is stored while the server is away, or what a slow reader missed (see
 * `missed`), is found by `recentResults`.
 */
export function tailResults(nc: NatsConnection, options: TailResultsOptions = {}): EventStream<EndedTask> {
  const wanted = matcherOf(options.filter)
  const stream = new EventStream<EndedTask>({
    capacity: options.buffer ?? DEFAULT_BUFFER,
    onClose: () => {
      subscription.unsubscribe()
      abort[Symbol.dispose]()
    },
  })
  const subscription = nc.subscribe(SUBJECTS.taskCompleted, {
    callback: (error, message) => {
      if (error) return
      const stored = storedAs(message.headers)
      for (const result of readResults(message.data))
        if (result && wanted(result)) stream.push({ result, ...stored })
    },
  })
  const abort = onAbort(options.signal, () => stream.end())
  void nc.closed().then((error) => stream.end(error ?? undefined))
  return stream
}

/** The server says with each message that it repeats where that lies and since when. */
const storedAs = (headers: MsgHdrs | undefined): Pick<EndedTask, 'at' | 'sequence'> => ({
  at: headers?.get('Nats-Time-Stamp') || new Date().toISOString(),
  sequence: Number(headers?.get('Nats-Sequence') ?? 0),
})

function matcherOf({ status, pool }: ResultFilter = {}): (result: DistributedTaskResult) => boolean {
  return (result) =>
    (status === undefined || status.includes(result.status)) &&
    (pool === undefined || result.pool_name === pool)
}
