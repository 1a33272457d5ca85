// Akosha: memories by the id of the task, so that storing one again changes nothing. It wants the embedding with each, and makes it.
import type { McpSession } from '@poolmesh/adapters'
import { type DistributedTaskResult, isJsonObject } from '@poolmesh/types'
import type { Destination, Found } from './destination.ts'
import { RecentIndex } from './recent-index.ts'
import { memoryText } from './text.ts'
import { callTool, Trouble } from './tools.ts'
import type { Work } from './work.ts'

/** What the server takes at a time. */
const MAX_MEMORIES = 1_000
/** Characters of text at a time; the embeddings of 1,000 are some 8 MB besides. */
const MAX_CHARACTERS = 1024 * 1024
const EMBED_MS = 120_000
const STORE_MS = 60_000
/** By which the memories of poolmesh are read back. */
const SYSTEM = 'poolmesh'
/** Memories that a search looks through: each costs up to a millisecond. */
const TRACES = 200

interface Item {
  work: Work
  place: number
  result: DistributedTaskResult
  text: string
}

export class Akosha implements Destination {
  readonly source = 'akosha'
  readonly #session: () => McpSession
  readonly #cut: AbortSignal

  /** @param cut gives up calls that are under way */
  constructor(session: () => McpSession, cut: AbortSignal) {
    this.#session = session
    this.#cut = cut
  }

  async store(works: readonly Work[], stopping: AbortSignal): Promise<void> {
    for (const batch of batches(works)) {
      if (stopping.aborted) return
      await this.#storeBatch(batch)
    }
  }

  async #storeBatch(batch: readonly Item[]): Promise<void> {
    const refuseAll = (reason: string): void => {
      for (const { work, place } of batch) work.refused(place, reason)
    }
    const made = await this.#call(
      'generate_batch_embeddings',
      { texts: batch.map((item) => item.text) },
      EMBED_MS,
    )
    if (made.kind === 'refused') return refuseAll(made.reason)
    const embeddings = made.output['embeddings']
    if (!Array.isArray(embeddings) || embeddings.length !== batch.length)
      throw new Trouble('generate_batch_embeddings does not answer with one embedding for each text', true)
    const memories = batch.map(({ result, text }, i) => ({
      memory_id: result.task_id,
      text,
      embedding: embeddings[i] as unknown,
      metadata: { source: SYSTEM, original_id: result.task_id, type: 'task_result' },
    }))
    const said = await this.#call('batch_store_memories', { memories }, STORE_MS)
    if (said.kind === 'refused') return refuseAll(said.reason)
    const failed = failuresIn(said.output, batch)
    for (const { work, place, result } of batch) {
      const reason = failed.get(result.task_id)
      if (reason === undefined) work.stored(place)
      else work.refused(place, reason)
    }
  }

  async search(query: string, limit: number, timeoutMs: number): Promise<Found[]> {
    const said = await this.#call('query_local_traces', { system_id: SYSTEM, limit: TRACES }, timeoutMs)
    if (said.kind === 'refused') throw new Trouble(said.reason, true)
    const traces = said.output['traces'] ?? said.output['result']
    if (!Array.isArray(traces)) throw new Trouble('query_local_traces does not answer with traces', true)
    const index = new RecentIndex()
    for (const trace of traces) {
      const id = isJsonObject(trace) ? (trace['memory_id'] ?? trace['original_id']) : undefined
      const text = isJsonObject(trace) ? (trace['text'] ?? trace['content']) : undefined
      if (typeof id === 'string' && typeof text === 'string') index.add(id, text)
    }
    return index.search(query, limit)
  }

  #call(tool: string, args: Record<string, unknown>, timeoutMs: number) {
    return callTool(this.#session(), tool, args, { timeoutMs, signal: this.#cut })
  }
}

/** All that is pending. A task that is in there twice goes into batches of its own. */
function* batches(works: readonly Work[]): Generator<Item[]> {
  let batch: Item[] = []
  let characters = 0
  const ids = new Set<string>()
  for (const work of works)
    for (const { place, result } of work.pending()) {
      const text = memoryText(result)
      const isFull = batch.length >= MAX_MEMORIES || characters + text.length > MAX_CHARACTERS
      if (batch.length > 0 && (isFull || ids.has(result.task_id))) {
        yield batch
        batch = []
        characters = 0
        ids.clear()
      }
      batch.push({ work, place, result, text })
      characters += text.length
      ids.add(result.task_id)
    }
  if (batch.length > 0) yield batch
}

/**
 * Which were not stored, by id, and why. The errors are for people: an id that is named in one has failed. Where that does not
 * explain as many failures as there are, all are taken to have failed, since storing again does no harm.
 */
function failuresIn(output: Record<string, unknown>, batch: readonly Item[]): Map<string, string> {
  const { status, failed: count, errors } = output
  if (status === 'completed' && !count) return new Map()
  const texts = (Array.isArray(errors) ? errors : []).map((error) =>
    typeof error === 'string' ? error : JSON.stringify(error),
  )
  const ids = new Set(batch.map(({ result }) => result.task_id))
  const named = new Map<string, string>()
  for (const text of texts)
    for (const [word] of text.matchAll(/[A-Za-z0-9_-]+/g)) if (ids.has(word)) named.set(word, text)
  if (status === 'partial' && named.size === count) return named
  const reason = texts[0] ?? `batch_store_memories says ${JSON.stringify(status)}`
  return new Map([...ids].map((id) => [id, named.get(id) ?? reason]))
}
