export type { PoolAdapter, RunEvents } from './adapter.ts'
export { NatsAdapter } from './nats.ts'
