// Reads a stream from its end backwards, a window at a time. JetStream itself reads forwards only.
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import { isNothing } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'

const FIRST_WINDOW = 32
const LARGEST_WINDOW = 512
/** Of one window in memory. */
const WINDOW_BYTES = 4 * 1024 ** 2
/** What one question may read; the reader goes on with a cursor. */
const SCAN_MESSAGES = 5_000
const SCAN_BYTES = 32 * 1024 ** 2

export interface NewestOptions {
  stream: string
  /** Of the stream's subjects. */
  filter: string
  /** The sequence to begin at, downwards; null: the end. */
  from: number | null
}

export interface Scan {
  /** Messages newest first. Ends where nothing is left, or as much was read as one question may. */
  messages: AsyncGenerator<StoredMsg, void, void>
  /** Once the messages have ended: where to go on; null where nothing is left. */
  next(): number | null
}

/** @throws PoolmeshError UNAVAILABLE, from the generator */
export function newestFirst(jsm: JetStreamManager, options: NewestOptions): Scan {
  let next: number | null = null
  async function* read(): AsyncGenerator<StoredMsg, void, void> {
    try {
      const { state } = await jsm.streams.info(options.stream)
      let high = Math.min(options.from ?? state.last_seq, state.last_seq)
      let size = FIRST_WINDOW
      let [count, bytes] = [0, 0]
      while (high >= state.first_seq && high > 0) {
        if (count >= SCAN_MESSAGES || bytes >= SCAN_BYTES) {
          next = high
          return
        }
        const low = Math.max(state.first_seq, high - size + 1)
        const window = await readWindow(jsm, options, low, high)
        for (const message of window.toReversed()) {
          bytes += message.data.length
          yield message
        }
        // Deleted and filtered sequences cost nothing to pass, but each window is a question.
        count += Math.max(window.length, FIRST_WINDOW)
        size = Math.min(LARGEST_WINDOW, size * 2)
        high = low - 1
      }
    } catch (cause) {
      if (isNothing(cause)) return
      throw new PoolmeshError(
        'UNAVAILABLE',
        `what is stored cannot be read now: ${(cause as Error).message}`,
        [],
        {
          cause,
        },
      )
    }
  }
  return { messages: read(), next: () => next }
}

async function readWindow(
  jsm: JetStreamManager,
  { stream, filter }: NewestOptions,
  low: number,
  high: number,
): Promise<StoredMsg[]> {
  const found: StoredMsg[] = []
  let from = low
  while (from <= high) {
    let last = 0
    let left = 0
    try {
      const batch = await jsm.direct.getBatch(stream, {
        seq: from,
        next_by_subj: filter,
        batch: high - from + 1,
        max_bytes: WINDOW_BYTES,
      })
      for await (const message of batch) {
        last = message.seq
        left = message.pending
        if (message.seq <= high) found.push(message)
      }
    } catch (error) {
      if (!isNothing(error)) throw error
    }
    if (last === 0 || left === 0 || last >= high) break
    from = last + 1
  }
  return found
}
