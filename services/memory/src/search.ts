// One question to all sources. One that is silent costs its time and nothing else.
import type { MemoryHit, MemorySearchReply, MemorySource } from '@poolmesh/types'
import type { Found } from './destination.ts'

/** For a source to answer. */
const SOURCE_MS = 3_000
/** Bytes of the texts in a reply. */
const TEXT_BYTES = 512 * 1024

export interface Source {
  readonly source: MemorySource
  search(query: string, limit: number, timeoutMs: number): Promise<Found[]>
}

/** @param sources in the order in which their hits come */
export async function searchAll(
  sources: readonly Source[],
  query: string,
  limit: number,
): Promise<MemorySearchReply> {
  const answers = await Promise.allSettled(
    sources.map((source) => inTime(source.search(query, limit, SOURCE_MS))),
  )
  const reply: MemorySearchReply = { hits: [], failed: [] }
  const byTask = new Map<string, MemoryHit>()
  let room = TEXT_BYTES
  for (const [i, { source }] of sources.entries()) {
    const answer = answers[i]
    if (answer?.status === 'rejected') reply.failed.push({ source, reason: (answer.reason as Error).message })
    if (answer?.status !== 'fulfilled') continue
    for (const { task_id, text, score } of answer.value) {
      const known = task_id === null ? undefined : byTask.get(task_id)
      if (known) {
        if (known.source !== source && !known.also_in.includes(source)) known.also_in.push(source)
        continue
      }
      const bytes = Buffer.byteLength(text)
      if (reply.hits.length >= limit || bytes > room) continue
      room -= bytes
      const hit: MemoryHit = { task_id, text, score, source, also_in: [] }
      reply.hits.push(hit)
      if (task_id !== null) byTask.set(task_id, hit)
    }
  }
  return reply
}

/** A source keeps its time by itself; this is for one that does not. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${SOURCE_MS / 1_000} s`)),
    SOURCE_MS + 500,
  )
  try {
    return await Promise.race([answer, promise])
  } finally {
    clearTimeout(timer)
  }
}
