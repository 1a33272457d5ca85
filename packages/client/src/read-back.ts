// Reading a stream from its end: windows of direct gets, newest first, no consumer.
import {
  type BatchCallback,
  type JetStreamManager,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { isNothing } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import { unavailable } from './requests.ts'

/** Sequences that one direct get covers: in memory at one time is what they hold. */
const WINDOW = 64

interface Position {
  /** Of a message in the stream. */
  sequence: number
  /** Of an item in the message. */
  index: number
}

export interface BackPage<Item> {
  /** Newest first. */
  items: Item[]
  /** Where the next page begins, for people and machines to pass on as it is; null: there is nothing older. */
  cursor: string | null
}

export interface BackOptions<Item> {
  stream: string
  /** Filter on the subjects of the stream. */
  subject: string
  /** Items at most. */
  limit: number
  cursor?: string | null | undefined
  /** Items that are looked at, at most: a filter that nothing fits must not read the whole stream at one time. */
  scan: number
  /** What a message has in it, oldest first; null for what the caller does not want. */
  read(message: StoredMsg): (Item | null)[]
}

/**
 * A page of what the stream has. Where fewer items than the limit were found among those looked at, the page is short and
 * its cursor goes on.
 * @throws PoolmeshError INVALID_INPUT for a cursor that is none, UNAVAILABLE
 */
export async function readBack<Item>(
  nc: NatsConnection,
  options: BackOptions<Item>,
): Promise<BackPage<Item>> {
  const from = options.cursor == null ? null : parseCursor(options.cursor)
  try {
    const jsm = await jetstreamManager(nc)
    const { state } = await jsm.streams.info(options.stream)
    return await collect(jsm, options, from ?? { sequence: state.last_seq, index: -1 }, state.first_seq)
  } catch (cause) {
    if (cause instanceof PoolmeshError) throw cause
    throw unavailable(
      `the stream ${options.stream} cannot be read now: ${(cause as Error).message}. \`poolmesh doctor\` looks what is wrong`,
      cause,
    )
  }
}

async function collect<Item>(
  jsm: JetStreamManager,
  options: BackOptions<Item>,
  from: Position,
  first: number,
): Promise<BackPage<Item>> {
  const items: Item[] = []
  let looked = 0
  for (let end = from.sequence; end >= first && end > 0; end -= WINDOW) {
    const start = Math.max(first, 1, end - WINDOW + 1)
    for (const message of (await windowOf(jsm, options, start, end)).reverse()) {
      const found = options.read(message)
      const last =
        message.seq === from.sequence && from.index >= 0
          ? Math.min(from.index, found.length - 1)
          : found.length - 1
      for (let index = last; index >= 0; index--) {
        const item = found[index] as Item | null
        if (items.length >= options.limit || looked >= options.scan)
          return { items, cursor: `${message.seq}-${index}` }
        looked++
        if (item !== null) items.push(item)
      }
    }
  }
  return { items, cursor: null }
}

/** Messages from `start` to `end`, oldest first. */
async function windowOf<Item>(
  jsm: JetStreamManager,
  { stream, subject }: BackOptions<Item>,
  start: number,
  end: number,
): Promise<StoredMsg[]> {
  const found: StoredMsg[] = []
  for (let seq = start; seq <= end; ) {
    const some = await getSome(jsm, stream, { seq, next_by_subj: subject, batch: end - seq + 1 })
    const last = some.at(-1)
    if (!last) break
    found.push(...some.filter((message) => message.seq <= end))
    // The server ends a batch before its time where the messages are large.
    seq = last.seq + 1
  }
  return found
}

interface Query {
  seq: number
  next_by_subj: string
  batch: number
}

/** With a callback: the library's iterator leaves its subscription behind. */
const getSome = (jsm: JetStreamManager, stream: string, query: Query): Promise<StoredMsg[]> =>
  new Promise((resolve, reject) => {
    const some: StoredMsg[] = []
    const callback: BatchCallback<StoredMsg> = (done, message) => {
      if (done === null) some.push(message)
      else if (done.err && !isNothing(done.err)) reject(done.err)
      else resolve(some)
    }
    jsm.direct.getBatch(stream, { ...query, callback }).catch(reject)
  })

function parseCursor(cursor: string): Position {
  const match = /^(\d{1,15})-(\d{1,6})$/.exec(cursor)
  if (!match) {
    const message = 'is none that a list gave'
    throw new PoolmeshError('INVALID_INPUT', `the cursor ${message}`, [{ path: 'cursor', message }])
  }
  return { sequence: Number(match[1]), index: Number(match[2]) }
}
