// Reading a stream from its end, a window of direct gets at a time: JetStream itself reads forwards only. No consumer.
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

/** Of the server: it has never run poolmesh. */
const STREAM_NOT_FOUND = 10059

/** Sequences of the first window; it grows where little lies in it, for a stream may have long gaps. */
const FIRST_WINDOW = 32
const WINDOW_MESSAGES = 512
/** Of one window in memory. */
const WINDOW_BYTES = 4 * 1024 ** 2
/** What is read for one page; its cursor goes on behind. */
const PAGE_BYTES = 32 * 1024 ** 2

export interface BackPage<Item> {
  /** Newest first. */
  items: Item[]
  /** Where the next page begins, for people and machines to pass on as it is; null: there is nothing older. */
  cursor: string | null
}

interface BackSource<Item> {
  stream: string
  /** Filter on the subjects of the stream. */
  subject: string
  cursor?: string | null | undefined
  /** What a message has in it, oldest first; null for what the caller does not want. */
  read(message: StoredMsg): (Item | null)[]
}

export interface BackOptions<Item> extends BackSource<Item> {
  /** Items at most. */
  limit: number
  /** Items that are looked at, at most: a filter that nothing fits must not read the whole stream at one time. */
  scan: number
}

export interface FoundBack<Item> {
  item: Item | null
  /** The cursor of a page that begins with it. */
  cursor: string
  /** As much was read as one page may: it is left to the next. */
  spent: boolean
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
  const items: Item[] = []
  let looked = 0
  for await (const { item, cursor, spent } of itemsBack(nc, options)) {
    if (items.length >= options.limit || looked >= options.scan || spent) return { items, cursor }
    looked++
    if (item !== null) items.push(item)
  }
  return { items, cursor: null }
}

/** What the stream has, newest first. @throws PoolmeshError INVALID_INPUT for a cursor that is none, UNAVAILABLE */
export async function* itemsBack<Item>(
  nc: NatsConnection,
  source: BackSource<Item>,
): AsyncGenerator<FoundBack<Item>, void, void> {
  const from = source.cursor == null ? null : parseCursor(source.cursor)
  let bytes = 0
  for await (const window of windowsBack(nc, source, from?.sequence ?? null)) {
    const spent = bytes >= PAGE_BYTES
    for (const message of window.reverse()) {
      bytes += message.data.length
      const found = source.read(message)
      const last = found.length - 1
      const start = message.seq === from?.sequence ? Math.min(from.index, last) : last
      for (let index = start; index >= 0; index--)
        yield { item: found[index] ?? null, cursor: `${message.seq}-${index}`, spent }
    }
  }
}

/** Messages of one window after the other, each oldest first, the newest window first. */
async function* windowsBack<Item>(
  nc: NatsConnection,
  { stream, subject }: BackSource<Item>,
  from: number | null,
): AsyncGenerator<StoredMsg[], void, void> {
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false })
    const { state } = await jsm.streams.info(stream)
    const first = Math.max(1, state.first_seq)
    let size = FIRST_WINDOW
    for (let high = Math.min(from ?? state.last_seq, state.last_seq); high >= first; ) {
      const low = Math.max(first, high - size + 1)
      const window = await windowOf(jsm, stream, subject, low, high)
      if (window === null) {
        size = Math.max(1, Math.floor((high - low + 1) / 4))
        continue
      }
      yield window
      if (window.length < WINDOW_MESSAGES / 2) size *= 2
      high = low - 1
    }
  } catch (cause) {
    if (cause instanceof PoolmeshError) throw cause
    const advice =
      (cause as { code?: unknown }).code === STREAM_NOT_FOUND
        ? 'Start poolmesh there with `npm start`'
        : '`poolmesh doctor` looks what is wrong'
    const why = (cause as Error).message
    throw unavailable(`the stream ${stream} cannot be read now: ${why}. ${advice}`, cause)
  }
}

/** Null where it is too much for one answer. */
async function windowOf(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  low: number,
  high: number,
): Promise<StoredMsg[] | null> {
  const width = high - low + 1
  // A wide window is expected to be empty: one message tells whether it is.
  const batch = width > WINDOW_MESSAGES ? 1 : width
  const some = await getSome(jsm, stream, {
    seq: low,
    next_by_subj: subject,
    batch,
    max_bytes: WINDOW_BYTES,
  })
  const last = some.at(-1)
  const complete = last === undefined || last.seq >= high || last.pending === 0
  return complete ? some.filter(({ seq }) => seq <= high) : null
}

interface Query {
  seq: number
  next_by_subj: string
  batch: number
  max_bytes: number
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

function parseCursor(cursor: string): { sequence: number; index: number } {
  const match = /^(\d{1,15})-(\d{1,6})$/.exec(cursor)
  if (match) return { sequence: Number(match[1]), index: Number(match[2]) }
  throw invalidCursor()
}

export function invalidCursor(): PoolmeshError {
  const message = 'is none that a list gave'
  return new PoolmeshError('INVALID_INPUT', `the cursor ${message}`, [{ path: 'cursor', message }])
}
