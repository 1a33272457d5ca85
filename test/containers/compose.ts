// A project of docker-compose.yml, with ports and a name of its own.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { command, ROOT } from './command.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor', 'gateway']

/** The plugin, else the program of its own. @returns null: neither is there */
export async function findCompose(): Promise<string[] | null> {
  for (const candidate of [['docker', 'compose'], ['docker-compose']]) {
    const [name = '', ...args] = candidate
    if (await command(name, [...args, 'version']).catch(() => null)) return candidate
  }
  return null
}

/** Images of the services that `npm run images` has not built here. */
export async function missingImages(): Promise<string[]> {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const images = SERVICES.map((name) => `poolmesh/${name}:${version}`)
  const there = await Promise.all(
    images.map((image) => command('docker', ['image', 'inspect', image]).catch(() => null)),
  )
  return images.filter((_, i) => there[i] === null)
}

export class Compose implements AsyncDisposable {
  /** Of all NATS servers, with commas between. */
  readonly url: string
  readonly #compose: string[]
  readonly #env: Record<string, string>

  private constructor(compose: string[], env: Record<string, string>, url: string) {
    this.#compose = compose
    this.#env = env
    this.url = url
  }

  /** @param files of the project, the first one first @param servers NATS servers that they have */
  static async up(project: string, files: string[], servers: number): Promise<Compose> {
    const names = ['NATS_PORT', 'NATS_PORT_2', 'NATS_PORT_3'].slice(0, servers)
    const ports = await Promise.all(names.map(() => freePort()))
    const env = Object.fromEntries(names.map((name, i) => [name, String(ports[i])]))
    env['HTTP_PORT'] = String(await freePort())
    env['POOLMESH_HTTP_TOKEN'] = 'a token for containers'.replaceAll(' ', '-')
    const found = (await findCompose()) as string[]
    const base = [...found, '--project-name', project, ...files.flatMap((file) => ['--file', file])]
    const compose = new Compose(base, env, ports.map((port) => `nats://127.0.0.1:${port}`).join())
    try {
      await compose.run('up', '--detach', '--no-build')
    } catch (error) {
      await compose[Symbol.asyncDispose]()
      throw error
    }
    return compose
  }

  get http(): string {
    return `http://127.0.0.1:${this.#env['HTTP_PORT']}`
  }

  async run(...args: string[]): Promise<string> {
    const [name = '', ...base] = this.#compose
    return await command(name, [...base, ...args], this.#env)
  }

  /** Ids of the containers of a service, of all if left out. */
  async containers(...service: string[]): Promise<string[]> {
    return (await this.run('ps', '--quiet', ...service)).split('\n').filter(Boolean)
  }

  /** Waits until the health checks of a service's containers say this. NATS has none. */
  async untilHealth(status: 'healthy' | 'unhealthy', service: string): Promise<void> {
    await until(
      async () => {
        const ids = await this.containers(service)
        const told = await command('docker', ['inspect', '--format', '{{.State.Health.Status}}', ...ids])
        return told.split('\n').every((line) => line === status)
      },
      `${service} to be ${status}`,
      150_000,
    )
  }

  /** Waits until the gateway says that tasks can run. */
  async untilReady(): Promise<void> {
    await until(
      async () => (await fetch(`${this.http}/readyz`).catch(() => null))?.ok,
      'the gateway to be ready',
      60_000,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run('down', '--volumes', '--timeout', '5')
  }
}

/** SIGKILL, and it stays away until it is started again. */
export const killContainer = (id: string): Promise<string> => command('docker', ['kill', id])
export const startContainer = (id: string): Promise<string> => command('docker', ['start', id])
