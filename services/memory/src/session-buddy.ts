// Session-Buddy: one conversation for each result. It gives no ids, so what may be stored already is looked for first.
import type { McpSession } from '@poolmesh/adapters'
import type { DistributedTaskResult } from '@poolmesh/types'
import type { Destination, Found } from './destination.ts'
import { memoryText, tasksIn } from './text.ts'
import { callTool, Trouble } from './tools.ts'
import type { Work } from './work.ts'

/** Messages at a time. Of each one result at a time, so that no more than these are in doubt after a crash. */
const AT_ONCE = 4
const CALL_MS = 30_000
/** What the server takes as a limit. */
const MAX_LIMIT = 100
const PROJECT = 'poolmesh'
/** It answers with a text for people, also when there is nothing. */
const NOTHING = /\bno\b[^\n]*\b(?:found|conversations|results|match)/i

export class SessionBuddy implements Destination {
  readonly source = 'session_buddy'
  readonly #session: () => McpSession
  readonly #cut: AbortSignal

  /** @param cut gives up calls that are under way */
  constructor(session: () => McpSession, cut: AbortSignal) {
    this.#session = session
    this.#cut = cut
  }

  async store(works: readonly Work[], stopping: AbortSignal): Promise<void> {
    const rest = works.values()
    let trouble: unknown = null
    const lane = async (): Promise<void> => {
      for (const work of rest) {
        if (trouble !== null || stopping.aborted) return
        try {
          await this.#storeOne(work, () => trouble !== null || stopping.aborted)
        } catch (error) {
          trouble = error
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    if (trouble !== null) throw trouble
  }

  async #storeOne(work: Work, isOver: () => boolean): Promise<void> {
    let inDoubt = work.wasTried
    for (const { place, result } of work.pending()) {
      if (isOver()) return
      const isThere = inDoubt && (await this.#has(result.task_id))
      inDoubt = false
      if (isThere) work.stored(place)
      else {
        const said = await this.#call('store_conversation', conversationOf(result), CALL_MS)
        if (said.kind === 'refused') work.refused(place, said.reason)
        else work.stored(place)
      }
      if (work.isLeft) await work.write()
    }
  }

  /** Its search need not find what is there; what it does find is not stored again. */
  async #has(taskId: string): Promise<boolean> {
    const args = { query: taskId, limit: MAX_LIMIT, project: PROJECT }
    const said = await this.#call('search_conversations', args, CALL_MS)
    if (said.kind === 'refused') return false
    return tasksIn(String(said.output['text'] ?? '')).some((found) => found.task_id === taskId)
  }

  async search(query: string, limit: number, timeoutMs: number): Promise<Found[]> {
    const args = { query, limit: Math.min(limit, MAX_LIMIT), project: PROJECT }
    const said = await this.#call('search_conversations', args, timeoutMs)
    if (said.kind === 'refused') throw new Trouble(said.reason, true)
    const text = said.output['text']
    if (typeof text !== 'string') throw new Trouble('its answer has no text', true)
    const found = tasksIn(text).map((one) => ({ ...one, score: null }))
    if (found.length > 0 || text.trim() === '' || NOTHING.test(text)) return found.slice(0, limit)
    return [{ task_id: null, text, score: null }]
  }

  #call(tool: string, args: Record<string, unknown>, timeoutMs: number) {
    return callTool(this.#session(), tool, args, { timeoutMs, signal: this.#cut })
  }
}

const conversationOf = (result: DistributedTaskResult): Record<string, unknown> => ({
  content: memoryText(result),
  project: PROJECT,
  metadata: { task_id: result.task_id, pool_name: result.pool_name, status: result.status },
})
