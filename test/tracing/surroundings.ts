// What all these tests have: a broker, a collector, and processes that send it their spans.
import { type RunningProcess, run, startTestServer } from '@poolmesh/testkit'
import { Collector } from './collector.ts'

/** Of W3C's own example. */
export const TRACE = '0af7651916cd43dd8448eb211c80319c'
export const SUBMITTER = 'b7ad6b7169203331'
export const TRACEPARENT = `00-${TRACE}-${SUBMITTER}-01`

export class Surroundings implements AsyncDisposable {
  readonly collector = new Collector()
  readonly #stack = new AsyncDisposableStack()
  env: Record<string, string> = {}
  /** Of the broker. */
  url = ''

  static async start(): Promise<Surroundings> {
    const it = new Surroundings()
    it.url = it.#stack.use(await startTestServer()).url
    it.#stack.use(it.collector)
    it.env = {
      NATS_URL: it.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: await it.collector.start(),
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    }
    return it
  }

  /** Starts a service, and waits until it is ready. */
  async service(name: string, more: Record<string, string> = {}): Promise<RunningProcess> {
    return await this.#ready(run('service.ts', [name], { ...this.env, ...more }))
  }

  async services(...names: string[]): Promise<void> {
    await Promise.all(names.map((name) => this.service(name)))
  }

  /** text-pool and data-pool, in one process. */
  async demoPools(): Promise<RunningProcess> {
    return await this.#ready(run('demo.ts', [], this.env))
  }

  async #ready(process: RunningProcess): Promise<RunningProcess> {
    this.#stack.use(process)
    await process.line(/ready/)
    return process
  }

  /** Disposed before the processes are. */
  use<T extends AsyncDisposable>(one: T): T {
    return this.#stack.use(one)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}
