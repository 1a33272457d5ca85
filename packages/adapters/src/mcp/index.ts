export { McpAdapter } from './adapter.ts'
