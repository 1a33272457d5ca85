// From what a tool said to a result of the task.
import type { Answer } from '@poolmesh/core'
import { isJsonObject, MAX_JSON_DEPTH, type PoolAnswer, type TerminalStatus } from '@poolmesh/types'
import type { ToolResult } from './connection.ts'

/** How servers of this family begin a text that tells of a failure. */
const FAILURE_MARK = '❌'
const MAX_ERROR_LENGTH = 10_000

const STATUSES: Readonly<Record<string, TerminalStatus>> = {
  completed: 'completed',
  success: 'completed',
  failed: 'failed',
  error: 'failed',
  timeout: 'timeout',
  cancelled: 'cancelled',
}

/** How a failure was said: the tool's `isError`, a text with a mark, a structured status, or an error of the protocol. */
export type Failure = 'is_error' | 'text' | 'status' | 'protocol'

/**
 * @param tool the name that the server has for it; results carry it as `metadata.mcp.tool`
 * @param known whether its `status` is one of a run's; else what it says is the output, whatever it is
 */
export function answerOf(result: ToolResult, tool: string, known: boolean): Answer {
  const texts = result.content.flatMap((part) => (part.type === 'text' ? [part.text ?? ''] : []))
  const said = texts.join('\n')
  if (result.isError) return failed(tool, said || 'the tool failed and gave no reason', 'is_error')
  const structured = structuredOf(result, texts)
  if (typeof structured === 'string') return ofText(structured, tool)
  if (structured === null && (said !== '' || result.content.length === 0)) return ofText(said, tool)
  if (isDeeper(structured ?? result.content, MAX_JSON_DEPTH - 1))
    return { kind: 'invalid', problem: `the tool's answer is nested deeper than ${MAX_JSON_DEPTH} levels` }
  if (structured === null)
    return answer({ status: 'completed', output: { content: result.content } }, tool, { output: 'content' })
  return known && typeof structured['status'] === 'string'
    ? ofRun(structured, structured['status'], tool)
    : answer({ status: 'completed', output: structured }, tool, { output: 'structured' })
}

export const failed = (
  tool: string | null,
  error: string,
  failure: Failure,
  more: Record<string, unknown> = {},
): Answer => answer({ status: 'failed', error: error.slice(0, MAX_ERROR_LENGTH) }, tool, { failure, ...more })

const answer = (said: PoolAnswer, tool: string | null, about: Record<string, unknown>): Answer => ({
  kind: 'answer',
  answer: { ...said, metadata: { ...said.metadata, mcp: { tool, ...about } } },
})

/** Display text for people: it says whether it went well, and often nothing of what came out. */
function ofText(text: string, tool: string): Answer {
  if (text.trimStart().startsWith(FAILURE_MARK))
    return failed(tool, text.trimStart().slice(FAILURE_MARK.length).trim() || text, 'text')
  return answer({ status: 'completed', output: { text } }, tool, {
    output: 'text',
    note: 'the server answers with a text for people; it may hide what the task gave',
  })
}

/** An object, a text, or null where there is nothing of the kind. Results that are no objects come as `{result}`. */
function structuredOf(
  { structuredContent }: ToolResult,
  texts: readonly string[],
): Record<string, unknown> | string | null {
  if (isJsonObject(structuredContent)) {
    const { result } = structuredContent
    if (Object.keys(structuredContent).length > 1 || result === undefined) return structuredContent
    return typeof result === 'string' || isJsonObject(result) ? result : structuredContent
  }
  // Older servers send objects as their JSON text only.
  if (texts.length !== 1 || !texts[0]?.trimStart().startsWith('{')) return null
  try {
    const parsed: unknown = JSON.parse(texts[0])
    return isJsonObject(parsed) ? parsed : null
  } catch {
    return null
  }
}

/** `{worker_id, status, output, error, exit_code, duration_seconds, metadata}`, where others may be missing. */
function ofRun(said: Record<string, unknown>, word: string, tool: string): Answer {
  const { status: _, error, duration_seconds, metadata, ...output } = said
  const status = Object.hasOwn(STATUSES, word.toLowerCase()) ? STATUSES[word.toLowerCase()] : undefined
  if (!status)
    return {
      kind: 'invalid',
      problem: `the tool's answer has the status ${word.slice(0, 50)}, which is no end`,
    }
  const reason = typeof error === 'string' && error !== '' ? error.slice(0, MAX_ERROR_LENGTH) : null
  return answer(
    {
      status,
      output,
      error: status === 'completed' ? null : (reason ?? `the tool says ${word}`),
      duration: typeof duration_seconds === 'number' && duration_seconds >= 0 ? duration_seconds : null,
    },
    tool,
    {
      output: 'structured',
      ...(status === 'failed' ? { failure: 'status' } : {}),
      ...(isJsonObject(metadata) ? { metadata } : {}),
      ...(status === 'completed' && reason !== null ? { warning: reason } : {}),
    },
  )
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)))
