import { connect, type NatsConnection } from '@nats-io/transport-node'

/** A bare connection, as anybody's program makes one, that waits for its server as long as it takes. */
export const connectPlainly = (name: string): Promise<NatsConnection> =>
  connect({
    servers: (process.env['NATS_URL'] ?? '').split(','),
    name,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 100,
    pingInterval: 5_000,
  })
