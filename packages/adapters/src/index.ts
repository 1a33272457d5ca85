export type { KnownRuns, PoolAdapter, ProgressSink, RunEvents, RunId, Traits } from './adapter.ts'
export { Adapters } from './adapters.ts'
export { type HeadersByUrl, HttpAdapter, HttpClient, targetOf } from './http/index.ts'
export { KubernetesAdapter, KubernetesHealth } from './kubernetes/index.ts'
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
