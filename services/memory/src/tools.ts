// Calls of an MCP server's tools, where what the tool says is told apart from what went wrong on the way to it.
import { answerOf, McpFault, type McpSession } from '@poolmesh/adapters'

/** The server did not do it: it is away, is too slow, or makes no sense. The next call would hardly do better. */
export class Trouble extends Error {
  /** False: the tool was certainly not begun. */
  readonly begun: boolean

  constructor(message: string, begun: boolean) {
    super(message)
    this.name = 'Trouble'
    this.begun = begun
  }
}

/** `refused`: the server is there, and does not do this one. */
export type Said = { kind: 'done'; output: Record<string, unknown> } | { kind: 'refused'; reason: string }

/** @throws Trouble */
export async function callTool(
  session: McpSession,
  tool: string,
  args: Record<string, unknown>,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Said> {
  try {
    const said = answerOf(await session.call(tool, args, options), tool, false)
    if (said.kind !== 'answer') throw new Trouble(said.problem, true)
    const { status, output, error } = said.answer
    if (status === 'completed') return { kind: 'done', output: output ?? {} }
    return { kind: 'refused', reason: error ?? 'it gave no reason' }
  } catch (error) {
    if (!(error instanceof McpFault)) throw error
    if (error.kind === 'refused') return { kind: 'refused', reason: error.message }
    throw new Trouble(error.message, error.sent)
  }
}
