import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import type { Settings } from './settings.ts'

/** What every service is started with. The connection belongs to the caller, who closes it last. */
export interface ServiceContext {
  nc: NatsConnection
  settings: Settings
  log: Logger
}

/** Starts a service; it answers when the promise resolves. Disposing it stops it cleanly, within seconds. */
export type StartService = (context: ServiceContext) => Promise<AsyncDisposable>
