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

/** A server that dies is off the list that the others send to their clients within a moment. */
const LOOK_MS = 250

/**
 * Tells when another server of the cluster than the one that we are connected to is gone: what its clients had just sent may
 * be lost, and of those clients nobody hears. The NATS client tells only of servers that it has not been given by name, so
 * the list that our server sends (INFO, `connect_urls`) is looked at.
 */
export function followServers(nc: NatsConnection, gone: () => void): Disposable {
  const look = (): { server: string; others: readonly string[] } => {
    const { server_id: server = '', connect_urls: others = [] } = nc.info ?? {}
    return { server, others }
  }
  // From the first moment: a server may go before the first look.
  let known = look()
  const timer = setInterval(() => {
    const before = known
    known = look()
    // Of our own end we hear otherwise, and another server may have known of fewer.
    if (before.server === known.server && before.others.some((url) => !known.others.includes(url))) gone()
  }, LOOK_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
