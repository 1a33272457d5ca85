// The tools of the MCP servers that poolmesh meets, with their exact names, arguments and shapes of answers.
import * as z from 'zod'

type Json = Record<string, unknown>

/** One call of a tool. `signal` aborts when the client cancels it. */
export interface McpCall {
  tool: string
  args: Json
  /** `_meta` of the request. */
  meta: Json
  signal: AbortSignal
  session: string | undefined
  /** Tells the client how far it is, where it asked for that. */
  progress(progress: number, total?: number, message?: string): Promise<void>
}

/** What a run of a prompt comes to; what it throws is a failure, said as that server says it. */
export type McpHandler = (call: McpCall) => unknown

export interface ToolSpec {
  input: z.ZodRawShape
  /** Objects are structured content, anything else comes wrapped as `{result}`, as FastMCP does. What is thrown is `isError`. */
  run: (call: McpCall) => unknown
}
export type McpKind = 'session_buddy' | 'mahavishnu' | 'akosha'

const text = z.string()
const pools = (): Map<string, number> => new Map([['default', 3]])

/** Answers with texts for people, which begin with ❌ where it went wrong, and hides what came out. */
function sessionBuddy(handler: McpHandler): Record<string, ToolSpec> {
  const known = pools()
  const stored: string[] = []
  return {
    create_pool: {
      input: { pool_id: text.nullish() },
      run: ({ args }) => {
        const id = String(args['pool_id'] ?? `pool_${known.size}`)
        known.set(id, 3)
        return `✅ Created pool ${id} with 3 workers`
      },
    },
    execute_on_pool: {
      input: {
        pool_id: text,
        prompt: text,
        context: z.record(z.string(), z.unknown()).nullish(),
        timeout: z.number().nullish(),
      },
      run: async (call) => {
        const id = String(call.args['pool_id'])
        if (!known.has(id)) return `❌ Failed to execute task: Pool ${id} not found`
        try {
          await handler(call)
          return `✅ Task executed on pool ${id} by worker ${id}-worker-1`
        } catch (error) {
          return `❌ Failed to execute task: ${(error as Error).message}`
        }
      },
    },
    list_pools: {
      input: {},
      run: () => {
        const lines = [...known].map(([id, workers]) => `  - ${id}: running=True, workers=${workers}`)
        return `📊 Pools (${known.size} total):\n${lines.join('\n')}`
      },
    },
    check_pool_health: {
      input: { pool_id: text.nullish() },
      run: () => '🏥 Pool Manager Health:\n  Running: True',
    },
    store_conversation: {
      input: {
        content: text.min(10),
        project: text.nullish(),
        metadata: z.record(z.string(), z.unknown()).nullish(),
      },
      run: ({ args }) => {
        stored.push(String(args['content']))
        return '✅ Conversation stored'
      },
    },
    store_reflection: {
      input: { content: text, tags: z.array(text).nullish() },
      run: ({ args }) => {
        stored.push(String(args['content']))
        return '✅ Reflection stored'
      },
    },
    search_conversations: {
      input: {
        query: text,
        limit: z.int().min(1).max(100).default(10),
        min_score: z.number().default(0),
        project: text.nullish(),
      },
      run: ({ args }) => {
        const found = stored
          .filter((content) => content.toLowerCase().includes(String(args['query']).toLowerCase()))
          .slice(0, Number(args['limit']))
        return found.length === 0
          ? '🔍 No conversations found'
          : `🔍 Found ${found.length}:\n${found.join('\n')}`
      },
    },
  }
}

/** Answers with objects. Workers are made, and a worker runs what it is told to. */
function mahavishnu(handler: McpHandler): Record<string, ToolSpec> {
  const workers = new Set<string>()
  const ran = async (call: McpCall): Promise<Json> => {
    const about = { exit_code: 0, duration_seconds: 0.25, metadata: {} }
    try {
      const output = await handler(call)
      return { status: 'completed', output: output ?? 'done', error: null, ...about }
    } catch (error) {
      return { status: 'failed', output: null, error: (error as Error).message, ...about, exit_code: 1 }
    }
  }
  return {
    worker_spawn: {
      input: { worker_type: text.default('terminal-claude'), count: z.int().min(1).max(50).default(1) },
      run: ({ args }) => {
        const ids = Array.from(
          { length: Number(args['count']) },
          (_, n) => `${args['worker_type']}-${workers.size + n}`,
        )
        for (const id of ids) workers.add(id)
        return { worker_ids: ids }
      },
    },
    worker_execute: {
      input: { worker_id: text, prompt: text, timeout: z.int().default(300) },
      run: async (call) => {
        const { worker_id, timeout } = call.args
        if (Number(timeout) < 30 || Number(timeout) > 3600)
          throw new Error('timeout must be between 30 and 3600')
        if (!workers.has(String(worker_id))) throw new Error(`Worker not found: ${worker_id}`)
        return { worker_id, ...(await ran(call)) }
      },
    },
    worker_close: {
      input: { worker_id: text },
      run: ({ args }) => ({
        success: workers.delete(String(args['worker_id'])),
        worker_id: args['worker_id'],
      }),
    },
    pool_execute: {
      input: { pool_id: text, prompt: text, timeout: z.int().default(300) },
      run: async (call) => ({ pool_id: call.args['pool_id'], ...(await ran(call)) }),
    },
    pool_list: { input: {}, run: () => [{ pool_id: 'default', pool_type: 'mahavishnu', workers: 1 }] },
    pool_health: { input: {}, run: () => ({ status: 'healthy', pools_active: 1 }) },
  }
}

const EMBEDDING_LENGTH = 384
const MAX_BATCH = 1_000
const KEPT_METADATA = ['source', 'original_id', 'type', 'correlation_id']

/** Stores memories with their embeddings, which are mandatory, and keeps little of their metadata. */
function akosha(): Record<string, ToolSpec> {
  const stored = new Map<string, Json>()
  return {
    generate_batch_embeddings: {
      input: { texts: z.array(text) },
      run: ({ args }) => ({
        embeddings: (args['texts'] as string[]).map((one) =>
          Array.from(
            { length: EMBEDDING_LENGTH },
            (_, n) => ((one.codePointAt(n % one.length) ?? 0) % 97) / 97,
          ),
        ),
      }),
    },
    batch_store_memories: {
      input: { memories: z.array(z.record(z.string(), z.unknown())).max(MAX_BATCH) },
      run: ({ args }) => {
        const memories = args['memories'] as Json[]
        const errors: string[] = []
        for (const { memory_id, text: content, embedding, metadata } of memories) {
          if (!Array.isArray(embedding) || embedding.length !== EMBEDDING_LENGTH)
            errors.push(`${memory_id}: embedding must have ${EMBEDDING_LENGTH} numbers`)
          else {
            const kept = Object.entries((metadata ?? {}) as Json).filter(([key]) =>
              KEPT_METADATA.includes(key),
            )
            stored.set(String(memory_id), { memory_id, text: content, ...Object.fromEntries(kept) })
          }
        }
        const failed = errors.length
        return {
          status: failed === 0 ? 'completed' : failed < memories.length ? 'partial' : 'failed',
          total: memories.length,
          stored: memories.length - failed,
          failed,
          errors,
        }
      },
    },
    query_local_traces: {
      input: { system_id: text, limit: z.int().default(100) },
      run: ({ args }) => ({
        traces: [...stored.values()]
          .filter(({ source }) => source === args['system_id'])
          .slice(0, Number(args['limit'])),
      }),
    },
  }
}

export const toolsOf = (kind: McpKind, handler: McpHandler): Record<string, ToolSpec> =>
  kind === 'session_buddy' ? sessionBuddy(handler) : kind === 'mahavishnu' ? mahavishnu(handler) : akosha()
