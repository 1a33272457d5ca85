// All the processes of a run: started in order, found by role, and gone at the end however it comes.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus, DEFAULT_TOPOLOGY, ensureTopology, freePort } from '@poolmesh/bus'
import { BUCKETS } from '@poolmesh/types'
import type { Role } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import type { Victim, Victims } from '../nemesis/nemesis.ts'
import type { ChaosOptions } from '../options.ts'
import { registerAdapted } from './adapted.ts'
import { type Broker, makeBrokers } from './brokers.ts'
import { type Left, whatIsLeft } from './left.ts'
import type { Managed } from './managed.ts'
import { makePopulation } from './population.ts'

const RETRY_MS = 300
const READ_ALL_MS = 120_000

export interface SystemParts {
  options: ChaosOptions
  folder: string
  historyFile: string
  base: number
  history: History
}

interface Addresses {
  httpPort: number
  kubeconfig: string
}

export class System implements Victims, AsyncDisposable {
  readonly #brokers: Broker[]
  readonly #population: Managed[]
  readonly #read = Promise.withResolvers<void>()
  #nc: NatsConnection | null = null

  private constructor(brokers: Broker[], parts: SystemParts & Addresses) {
    this.#brokers = brokers
    this.#population = makePopulation({
      ...parts,
      urls: brokers.map(({ url }) => url),
      onMessage: (_, message) => {
        if (message === 'read') this.#read.resolve()
      },
    })
    process.once('exit', this.#destroy)
  }

  static async start(parts: SystemParts): Promise<System> {
    const addresses = { httpPort: await freePort(), kubeconfig: join(parts.folder, 'kubeconfig') }
    const brokers = await makeBrokers(parts.folder, parts.options, parts.history)
    const system = new System(brokers, { ...parts, ...addresses })
    try {
      await system.#start(parts.options.cluster ? 3 : 1, async (nc) => {
        if (parts.options.adapters) await registerAdapted(nc, { ...parts, ...addresses })
      })
      return system
    } catch (error) {
      await system[Symbol.asyncDispose]()
      throw error
    }
  }

  /** @param register the pools that do not register themselves */
  async #start(replicas: 1 | 3, register: (nc: NatsConnection) => Promise<void>): Promise<void> {
    await Promise.all(this.#brokers.map((broker) => broker.start()))
    this.#nc = await connectBus({ servers: this.#brokers.map(({ url }) => url), name: 'chaos' })
    const nc = this.#nc
    // A cluster has to find its leader first.
    await again(() => ensureTopology(nc, { ...DEFAULT_TOPOLOGY, replicas }))
    const submitters = this.#population.filter(({ role }) => role === 'submitter')
    await Promise.all(this.#population.filter((one) => !submitters.includes(one)).map((one) => one.start()))
    await again(() => register(nc))
    await Promise.all(submitters.map((one) => one.start()))
  }

  of(role: Role): readonly Victim[] {
    return role === 'broker' ? this.#brokers : this.#population.filter((one) => one.role === role)
  }

  counts(): Record<Role, number> {
    const count = (role: Role): number => this.of(role).length
    return {
      broker: count('broker'),
      executor: count('executor'),
      distributor: count('distributor'),
      'health-monitor': count('health-monitor'),
      registry: count('registry'),
      'worker-pool': count('worker-pool'),
      'plain-pool': count('plain-pool'),
      submitter: count('submitter'),
      'http-pool': count('http-pool'),
    }
  }

  /** By the lease, and by the id that each executor gives itself and logs when it starts. */
  async leader(): Promise<Victim | null> {
    const id = await this.#within(async (nc) => {
      const message = await (await jetstreamManager(nc, { timeout: 500 })).direct.getMessage(
        `KV_${BUCKETS.executors}`,
        { last_by_subj: `$KV.${BUCKETS.executors}.dispatcher` },
      )
      return message?.json<{ holder: string | null }>().holder ?? null
    })
    if (!id) return null
    for (const one of this.#population)
      if (one.role === 'executor' && lastExecutor(await readFile(one.logFile, 'utf8').catch(() => '')) === id)
        return one
    return null
  }

  /** Messages of tasks; null where the broker does not say. */
  async left(lookInto = false): Promise<Left | null> {
    return await this.#within((nc) => whatIsLeft(nc, lookInto))
  }

  async #within<T>(what: (nc: NatsConnection) => Promise<T>): Promise<T | null> {
    if (!this.#nc) return null
    return await what(this.#nc).catch(() => null)
  }

  stopSubmitting(): void {
    for (const one of this.#population) if (one.role === 'submitter') one.send('stop')
  }

  /** The reader reads everything that is stored once more. @returns false when it did not come to an end */
  async readAll(): Promise<boolean> {
    this.#population.find(({ role }) => role === 'reader')?.send('read-all')
    const late = sleep(READ_ALL_MS, false, { ref: false })
    return await Promise.race([this.#read.promise.then(() => true), late])
  }

  readonly #destroy = (): void => {
    for (const one of [...this.#population, ...this.#brokers]) one.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nc?.close().catch(() => {})
    await Promise.all(this.#population.map((one) => one.kill('SIGKILL')))
    await Promise.all(this.#brokers.map((one) => one.kill('SIGKILL')))
    process.off('exit', this.#destroy)
  }
}

/** Of the process that logs there now: each says its own when it starts. */
const lastExecutor = (log: string): string | undefined =>
  [...log.matchAll(/"executor":"([^"]+)"/g)].at(-1)?.[1]

async function again(what: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await what()
      return
    } catch (error) {
      if (tries === 100) throw error
      await sleep(RETRY_MS)
    }
  }
}
