// One nats-server, or three that form a cluster: on ports and in folders that they keep when they are started again.
import type { NatsServer } from '@poolmesh/bus'
import { type ServerPlace, serverPlaces, startAt } from '@poolmesh/testkit'
import type { History } from '../history/writer.ts'
import type { Victim } from '../nemesis/nemesis.ts'

class Broker implements Victim {
  readonly name: string
  readonly url: string
  readonly #place: ServerPlace
  readonly #history: History
  #server: NatsServer | null = null
  #paused = false

  constructor(place: ServerPlace, history: History) {
    this.#place = place
    this.#history = history
    this.name = place.name
    this.url = place.url
  }

  get isUp(): boolean {
    return this.#server !== null && !this.#paused
  }

  async start(): Promise<void> {
    const { name } = this
    const server = await startAt(this.#place)
    this.#server = server
    this.#history.write({ e: 'up', name, pid: server.pid })
    void server.died.then((how) => {
      this.#history.write({ e: 'gone', name, pid: server.pid, how, asked: false })
      this.#server = null
      this.start().catch((error: Error) =>
        this.#history.write({ e: 'note', text: `${name}: ${error.message}` }),
      )
    })
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
  const places = await serverPlaces(folder, options.cluster ? 3 : 1, options.sync)
  return places.map((place) => new Broker(place, history))
}
