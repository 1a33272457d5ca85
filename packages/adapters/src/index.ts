export type { KnownRuns, PoolAdapter, RunEvents, Traits } from './adapter.ts'
export { Adapters } from './adapters.ts'
export { type HeadersByUrl, HttpAdapter, HttpClient, targetOf } from './http/index.ts'
export { NatsAdapter } from './nats.ts'
