// A session with an MCP server over streamable HTTP: opened when it is first needed, kept, and opened anew when the server
// has forgotten it. Whoever wants to call tools of an MCP server can use it, pools or not.
import type { Connection, ToolResult } from './connection.ts'
import { McpFault } from './fault.ts'
import type { Wires } from './wire.ts'

export interface McpServer {
  /** Without credentials. */
  readonly url: string
  /** Sent with every request, and never told to anybody. */
  readonly headers: Readonly<Record<string, string>>
}

/** As the protocol's `notifications/progress` has it; `total` and `message` may be left out. */
export interface CallProgress {
  progress: number
  total?: number | undefined
  message?: string | undefined
}

export interface CallOptions {
  /** Milliseconds, for all of it. */
  timeoutMs: number
  /** The server is told by the protocol's notification when it aborts. */
  signal?: AbortSignal
  /** Asks the server to tell how far it is. */
  onProgress?: (progress: CallProgress) => void
  /** `_meta` of the call. */
  meta?: Record<string, unknown>
}

/** What a server says that does not know the session; some say 400. Nothing was begun then. */
const FORGOTTEN = new Set([400, 404])

export class McpSession {
  readonly #server: McpServer
  readonly #wires: Wires
  #current: Promise<Connection> | null = null
  #users = 0
  #idleSince = performance.now()

  constructor(server: McpServer, wires: Wires) {
    this.#server = server
    this.#wires = wires
  }

  touch(): void {
    this.#idleSince = performance.now()
  }

  /** By `performance.now()`; null while something is called. */
  get idleSince(): number | null {
    return this.#users > 0 ? null : this.#idleSince
  }

  /**
   * The names of the server's tools: read once, and again when the server says that they have changed.
   * @throws McpFault with `sent: false`
   */
  async tools(options: CallOptions): Promise<ReadonlySet<string>> {
    try {
      return await this.use(options, (connection) => connection.tools())
    } catch (error) {
      throw error instanceof McpFault ? error.notBegun() : error
    }
  }

  /**
   * Calls a tool. What the tool itself says went wrong is a result with `isError`.
   * @throws McpFault
   */
  async call(tool: string, args: Record<string, unknown>, options: CallOptions): Promise<ToolResult> {
    return await this.use(options, (connection, rest) => connection.call(tool, args, rest))
  }

  /**
   * For several requests that belong together.
   * @param what done once more, from its beginning, with a new session when the server turns out to have forgotten this one;
   *   gets what is left of the options' time
   */
  async use<T>(
    options: CallOptions,
    what: (connection: Connection, rest: CallOptions) => Promise<T>,
  ): Promise<T> {
    const end = performance.now() + options.timeoutMs
    const rest = (): CallOptions => ({ ...options, timeoutMs: Math.max(1, end - performance.now()) })
    this.#users++
    try {
      for (let renewed = false; ; renewed = true) {
        const current = this.#open()
        const connection = await orAborted(current, rest())
        try {
          return await what(connection, rest())
        } catch (error) {
          if (renewed || !(error instanceof McpFault && FORGOTTEN.has(error.status ?? 0))) throw error
          if (this.#current === current) this.#current = null
          connection.retire()
        }
      }
    } finally {
      this.#users--
      this.touch()
    }
  }

  #open(): Promise<Connection> {
    if (this.#current) return this.#current
    const opening = openConnection(this.#server, this.#wires)
    this.#current = opening
    opening.catch(() => {
      if (this.#current === opening) this.#current = null
    })
    return opening
  }

  /** @param end whether the server is told that the session is over, which may end what still runs in it */
  async close(end: boolean): Promise<void> {
    const current = this.#current
    this.#current = null
    const connection = await current?.catch(() => null)
    await connection?.close(end)
  }
}

/** The SDK comes with the first session. */
async function openConnection(server: McpServer, wires: Wires): Promise<Connection> {
  const { Connection } = await import('./connection.ts')
  return await Connection.open(server, wires)
}

/** Opening goes on for others when one does not want to wait any more. */
async function orAborted(
  opening: Promise<Connection>,
  { timeoutMs, signal }: CallOptions,
): Promise<Connection> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(new McpFault('aborted', 'the call was given up', { sent: false }))
  const timer = setTimeout(
    () => reject(new McpFault('timed_out', 'no session within the time of the call', { sent: false })),
    timeoutMs,
  )
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort)
  try {
    return await Promise.race([opening, promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
