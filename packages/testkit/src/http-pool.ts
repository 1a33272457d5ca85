// A pool that is an HTTP server, as anyone could write it, and the ways in which such a server can go wrong.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What `twice_as_slow` begins with. */
const FIRST_SLOW_MS = 10

type Json = Record<string, unknown>

export interface HttpTask {
  task: Json & { task_id: string; payload: Json }
  attempt: number
  headers: IncomingMessage['headers']
}

/**
 * What it does with a task instead of running it: `reset` cuts the connection at once, `reset_mid_body` in the middle of an
 * answer, `slower` sends it ever more slowly, `never` says nothing. `late` runs it, and answers once nobody waits any more: the
 * connection is gone, or the task was cancelled, of which it takes no notice. `twice_as_slow` runs it, and takes twice as
 * long for it as for the one before.
 */
export type HttpFault =
  | 'reset'
  | 'reset_mid_body'
  | 'wrong_type'
  | 'not_json'
  | 'no_result'
  | 'another_task'
  | 'error_500'
  | 'unavailable_503'
  | 'busy_429'
  | 'busy_503'
  | 'redirect'
  | 'huge'
  | 'never'
  | 'slower'
  | 'late'
  | 'twice_as_slow'

export interface HttpPoolOptions {
  /**
   * `sync` answers 200 when the task is done, and knows nothing of it else. `async` answers 202 at once, then it is asked; what
   * is sent twice with one `Idempotency-Key` is 409.
   */
  mode: 'sync' | 'async'
  /** The output. What it throws is a failure. */
  handler?: (work: HttpTask) => unknown
  onCancel?: (taskId: string) => void
  /** Asked for each task; null: it runs it. */
  fault?: (work: HttpTask) => HttpFault | null
  /** Seconds, of `busy_429` and `busy_503`. */
  retryAfter?: number
}

export class HttpPool implements AsyncDisposable {
  readonly received: HttpTask[] = []
  readonly cancelled: string[] = []
  /** Ids that were asked for. */
  readonly asked: string[] = []
  /** Requests to where a redirect points. */
  redirected = 0
  /** Tasks in hand. */
  running = 0
  /** Tasks that `late` has answered. */
  readonly late: string[] = []
  readonly #options: HttpPoolOptions
  readonly #server: Server
  /** By task id: its result, null while it runs. */
  readonly #tasks = new Map<string, { key: string; result: Json | null }>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** What `late` waits for, by task id. */
  readonly #givenUp = new Map<string, () => void>()
  #slowMs = FIRST_SLOW_MS

  private constructor(options: HttpPoolOptions) {
    this.#options = options
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: HttpPoolOptions): Promise<HttpPool> {
    const pool = new HttpPool(options)
    await new Promise<void>((resolve) => pool.#server.listen(0, '127.0.0.1', resolve))
    return pool
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '/' } = request
    const id = /^\/tasks\/([\w-]+)$/.exec(url)?.[1]
    if (url === '/health') reply(response, 200, { status: 'healthy' })
    else if (url === '/elsewhere') {
      this.redirected++
      reply(response, 200, { status: 'completed', output: {} })
    } else if (method === 'POST' && url === '/tasks') await this.#submitted(request, response)
    else if (method === 'GET' && id) {
      this.asked.push(id)
      const known = this.#tasks.get(id)
      if (known) reply(response, 200, known.result ?? { task_id: id, status: 'running' })
      else reply(response, 404, { error: 'no such task' })
    } else if (method === 'DELETE' && id) {
      this.cancelled.push(id)
      this.#givenUp.get(id)?.()
      this.#tasks.delete(id)
      this.#options.onCancel?.(id)
      reply(response, 200, { task_id: id, status: 'cancelled' })
    } else reply(response, 404, { error: 'no such path' })
  }

  async #submitted(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const task = JSON.parse(Buffer.concat(chunks).toString()) as HttpTask['task']
    const work = { task, attempt: Number(request.headers['poolmesh-attempt']), headers: request.headers }
    this.received.push(work)
    const fault = this.#options.fault?.(work) ?? null
    if (fault === 'late') await this.#late(work, response)
    else if (fault === 'twice_as_slow') {
      await this.#slow()
      reply(response, 200, await this.#run(work))
    } else if (fault) this.#misbehave(fault, task.task_id, response)
    else if (this.#options.mode === 'sync') reply(response, 200, await this.#run(work))
    else await this.#runAndKeep(work, response)
  }

  async #runAndKeep(work: HttpTask, response: ServerResponse): Promise<void> {
    const { task_id } = work.task
    const key = String(work.headers['idempotency-key'] ?? task_id)
    if (this.#tasks.get(task_id)?.key === key) return reply(response, 409, { error: 'it is here already' })
    const known = { key, result: null as Json | null }
    this.#tasks.set(task_id, known)
    reply(response, 202, { task_id, status: 'accepted' })
    known.result = await this.#run(work)
  }

  async #run(work: HttpTask): Promise<Json> {
    const about = { task_id: work.task.task_id, attempt: work.attempt }
    this.running++
    try {
      return { ...about, status: 'completed', output: (await this.#options.handler?.(work)) ?? {} }
    } catch (error) {
      return { ...about, status: 'failed', error: (error as Error).message }
    } finally {
      this.running--
    }
  }

  async #late(work: HttpTask, response: ServerResponse): Promise<void> {
    const id = work.task.task_id
    await new Promise<void>((resolve) => {
      this.#givenUp.set(id, resolve)
      response.once('close', resolve)
    })
    const result = await this.#run(work)
    this.#tasks.set(id, { key: String(work.headers['idempotency-key']), result })
    reply(response, 200, result)
    this.late.push(id)
  }

  async #slow(): Promise<void> {
    const ms = this.#slowMs
    this.#slowMs *= 2
    await new Promise<void>((resolve) => this.#timers.add(setTimeout(resolve, ms)))
  }

  #misbehave(
    fault: Exclude<HttpFault, 'late' | 'twice_as_slow'>,
    id: string,
    response: ServerResponse,
  ): void {
    const whole = JSON.stringify({ task_id: id, status: 'completed', output: {} })
    const head = (status: number, more: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...more })
    const again = { 'retry-after': String(this.#options.retryAfter ?? 1) }
    switch (fault) {
      case 'reset':
        response.socket?.resetAndDestroy()
        break
      case 'reset_mid_body':
        head(200, { 'content-length': String(whole.length) }).write(whole.slice(0, 10), () =>
          response.socket?.resetAndDestroy(),
        )
        break
      case 'wrong_type':
        head(200, { 'content-type': 'text/html' }).end('<html>a login page</html>')
        break
      case 'not_json':
        head(200).end(whole.slice(0, -1))
        break
      case 'no_result':
        head(200).end('{"ok":true}')
        break
      case 'another_task':
        head(200).end(whole.replace(id, 'another'))
        break
      case 'error_500':
        head(500).end('{}')
        break
      case 'unavailable_503':
        head(503).end('{}')
        break
      case 'busy_429':
        head(429, again).end('{}')
        break
      case 'busy_503':
        head(503, again).end('{}')
        break
      case 'redirect':
        head(302, { location: `${this.endpoint}/elsewhere` }).end('{}')
        break
      case 'huge':
        head(200)
        this.#flood(response)
        break
      case 'slower':
        head(200)
        this.#drip(response, 10)
        break
      case 'never':
        break
    }
  }

  /** Without an end, as fast as it is taken. */
  #flood(response: ServerResponse): void {
    const chunk = Buffer.alloc(1024 * 1024, ' ')
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', more)
    more()
  }

  #drip(response: ServerResponse, ms: number): void {
    if (response.destroyed) return
    response.write(' ')
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#drip(response, ms * 2)
    }, ms)
    this.#timers.add(timer)
  }

  /** As a process that is killed: all connections are cut, nobody listens, nothing is known any more. */
  async kill(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill()
  }
}

function reply(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
