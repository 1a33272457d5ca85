// Where nats-servers run: one alone or several that form a cluster, on ports and in folders that they keep when they are
// started again.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'

/** A port may be taken by somebody's connection for a moment. */
const TRIES = 40
const RETRY_MS = 250

export interface ServerPlace {
  readonly name: string
  readonly url: string
  readonly port: number
  readonly dataDir: string
  readonly sync: string
  readonly extraConfig: string
}

/** @param count more than one: they form a cluster. @param sync as of {@link startNatsServer} */
export async function serverPlaces(folder: string, count: number, sync: string): Promise<ServerPlace[]> {
  const ports = await Promise.all(Array.from({ length: 2 * count }, () => freePort()))
  const routePorts = ports.slice(count)
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  return routePorts.map((routePort, i) => {
    const name = `n${i + 1}`
    const port = ports[i] as number
    const cluster = `cluster { name: poolmesh-test, listen: "127.0.0.1:${routePort}", routes: [${routes}] }`
    const extraConfig = count > 1 ? `server_name: ${name}\n${cluster}` : ''
    return { name, url: `nats://127.0.0.1:${port}`, port, dataDir: join(folder, name), sync, extraConfig }
  })
}

/** What was stored there before is still there. */
export async function startAt(place: ServerPlace): Promise<NatsServer> {
  for (let tries = 1; ; tries++) {
    try {
      return await startNatsServer({ ...place, readyTimeoutMs: 30_000 })
    } catch (error) {
      if (tries === TRIES) throw error
      await sleep(RETRY_MS)
    }
  }
}
