import type { NatsConnection, Status } from '@nats-io/transport-node'

/**
 * Tells whenever a connection breaks and when it is back, until it is closed or this is disposed. What is published in
 * between gets lost: the NATS client drops it with its next attempt to connect.
 */
export function followLink(nc: NatsConnection, changed: (up: boolean) => void): Disposable {
  const statuses = nc.status() as AsyncIterable<Status> & { stop?: () => void }
  void (async () => {
    for await (const { type } of statuses)
      if (type === 'disconnect' || type === 'reconnect') changed(type === 'reconnect')
  })().catch(() => {})
  return { [Symbol.dispose]: () => statuses.stop?.() }
}
