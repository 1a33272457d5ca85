// One nats-server, or three that form a cluster: on ports and in folders that they keep when they are started again.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'
import type { History } from '../history/writer.ts'
import type { Victim } from '../nemesis/nemesis.ts'

/** A port may be taken by somebody's connection for a moment. */
const TRIES = 40
const RETRY_MS = 250

interface Place {
  name: string
  port: number
  dataDir: string
  sync: string
  extraConfig: string
}

class Broker implements Victim {
  readonly name: string
  readonly url: string
  readonly #place: Place
  readonly #history: History
  #server: NatsServer | null = null
  #paused = false

  constructor(place: Place, history: History) {
    this.#place = place
    this.#history = history
    this.name = place.name
    this.url = `nats://127.0.0.1:${place.port}`
  }

  get isUp(): boolean {
    return this.#server !== null && !this.#paused
  }

  async start(): Promise<void> {
    const { port, dataDir, sync, extraConfig, name } = this.#place
    for (let tries = 1; ; tries++) {
      try {
        const server = await startNatsServer({ port, dataDir, sync, extraConfig, readyTimeoutMs: 30_000 })
        this.#server = server
        this.#history.write({ e: 'up', name, pid: server.pid })
        void server.died.then((how) => {
          this.#history.write({ e: 'gone', name, pid: server.pid, how, asked: false })
          this.#server = null
          this.start().catch((error: Error) =>
            this.#history.write({ e: 'note', text: `${name}: ${error.message}` }),
          )
        })
        return
      } catch (error) {
        if (tries === TRIES) throw error
        await sleep(RETRY_MS)
      }
    }
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const server = this.#server
    if (!server) return
    this.#server = null
    if (this.#paused) this.#signal(server, 'SIGCONT')
    this.#paused = false
    await server.stop(signal)
    this.#history.write({ e: 'gone', name: this.name, pid: server.pid, how: signal, asked: true })
  }

  pause(): void {
    this.#paused = true
    if (this.#server) this.#signal(this.#server, 'SIGSTOP')
  }

  resume(): void {
    this.#paused = false
    if (this.#server) this.#signal(this.#server, 'SIGCONT')
  }

  #signal({ pid }: NatsServer, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal)
    } catch {
      // Gone meanwhile.
    }
  }

  destroy(): void {
    if (this.#server) this.#signal(this.#server, 'SIGKILL')
  }
}

export type { Broker }

export async function makeBrokers(
  folder: string,
  options: { cluster: boolean; sync: string },
  history: History,
): Promise<Broker[]> {
  const names = options.cluster ? ['n1', 'n2', 'n3'] : ['n1']
  const places = await Promise.all(
    names.map(async (name) => ({ name, port: await freePort(), routePort: await freePort() })),
  )
  const routes = places.map(({ routePort }) => `nats://127.0.0.1:${routePort}`).join(', ')
  return places.map(({ name, port, routePort }) => {
    const cluster = `cluster { name: chaos, listen: "127.0.0.1:${routePort}", routes: [${routes}] }`
    const extraConfig = options.cluster ? `server_name: ${name}\n${cluster}` : ''
    return new Broker({ name, port, dataDir: join(folder, name), sync: options.sync, extraConfig }, history)
  })
}
