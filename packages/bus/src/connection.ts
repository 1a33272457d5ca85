import { connect, type NatsConnection } from '@nats-io/transport-node'
import { PoolmeshError } from '@poolmesh/types'

export interface BusOptions {
  /** `nats://host:port` or a list of them, in one text with commas or an array. `user:password@` before the host is used. */
  servers: string | string[]
  /** Shown in the server's connection list. */
  name: string
  token?: string | undefined
  user?: string | undefined
  pass?: string | undefined
  /** Milliseconds to wait for the first connection; default 5,000. */
  connectTimeoutMs?: number
}

/**
 * Connects and stays connected: once up, it reconnects for as long as the process lives.
 * @throws PoolmeshError UNAVAILABLE when no server answers
 */
export async function connectBus(options: BusOptions): Promise<NatsConnection> {
  const { servers, ...credentials } = readServers(options.servers)
  try {
    return await connect({
      servers,
      name: options.name,
      token: options.token ?? credentials.token,
      user: options.user ?? credentials.user,
      pass: options.pass ?? credentials.pass,
      timeout: options.connectTimeoutMs ?? 5_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: 10_000,
      maxPingOut: 2,
      ignoreClusterUpdates: false,
    })
  } catch (cause) {
    const where = servers.join(', ')
    if (/authorization|authentication/i.test((cause as Error).message))
      throw new PoolmeshError(
        'UNAVAILABLE',
        `the NATS server at ${where} refuses these credentials: set POOLMESH_NATS_TOKEN, or put user:password@ into NATS_URL`,
        [],
        { cause },
      )
    throw new PoolmeshError(
      'UNAVAILABLE',
      `no NATS server answers at ${where} (${(cause as Error).message}). Start poolmesh with \`npm start\`, or set NATS_URL to your server.`,
      [],
      { cause },
    )
  }
}

interface Servers {
  servers: string[]
  user?: string
  pass?: string
  token?: string
}

/** The NATS client takes no credentials from addresses; the first address that has some gives them. */
function readServers(given: string | string[]): Servers {
  const found: Servers = { servers: [] }
  for (const text of [given].flat().flatMap((part) => part.split(','))) {
    const [, scheme = '', credentials, host = ''] = /^(\w+:\/\/)?(?:(.*)@)?(.*)$/.exec(text.trim()) ?? []
    if (host) found.servers.push(scheme + host)
    if (credentials === undefined || found.user !== undefined || found.token !== undefined) continue
    const [first = '', ...rest] = credentials.split(':')
    if (rest.length === 0) found.token = decodeURIComponent(first)
    else Object.assign(found, { user: decodeURIComponent(first), pass: decodeURIComponent(rest.join(':')) })
  }
  return found
}

/** Whether the connection is usable now: neither closed nor between two servers. */
export const isConnected = (nc: NatsConnection): boolean => !nc.isClosed() && !nc.isDraining()
