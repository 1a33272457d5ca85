export type { KnownRuns, PoolAdapter, RunEvents, Traits } from './adapter.ts'
export { Adapters } from './adapters.ts'
export { type HeadersByUrl, HttpAdapter, headersFor } from './http/index.ts'
export { KubernetesAdapter } from './kubernetes/index.ts'
export {
  answerOf,
  McpAdapter,
  McpFault,
  type McpServer,
  type McpSession,
  McpSessions,
  mcpServerAt,
  type ToolResult,
} from './mcp/index.ts'
export { NatsAdapter } from './nats.ts'
