export { progressSubject } from '@poolmesh/types'
export {
  definePool,
  type HandlerContext,
  type PoolDefinition,
  type PoolOptions,
  type TaskHandler,
} from './definition.ts'
export { type ServedPool, type ServeHttpOptions, serveHttp } from './http/serve-http.ts'
export type { RunningPool, StartOptions, StopOptions } from './pool.ts'
export type { PoolStats } from './runner.ts'
