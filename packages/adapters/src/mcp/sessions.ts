// The sessions of many servers: one each, kept while it is used and some time longer.
import { type McpServer, McpSession } from './session.ts'
import { Wires } from './wire.ts'
import { within } from './within.ts'

const IDLE_MS = 60_000
/** Those that are in use may be more: they are as many as what runs in them. */
const MAX_SESSIONS = 1_000
/** For telling servers that sessions are over. */
const END_MS = 1_000

export class McpSessions {
  readonly #wires = new Wires()
  /** Least recently used first. */
  readonly #sessions = new Map<string, McpSession>()

  of(server: McpServer): McpSession {
    const key = JSON.stringify([server.url, server.headers])
    const session = this.#sessions.get(key) ?? new McpSession(server, this.#wires)
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    // It will be used in a moment: it is not to be ended before.
    session.touch()
    return session
  }

  /** Ends sessions that nobody has used for a minute; called every few seconds. */
  sweep(): void {
    const before = performance.now() - IDLE_MS
    for (const [key, session] of this.#sessions) {
      const { idleSince } = session
      if (idleSince === null) continue
      if (idleSince > before && this.#sessions.size <= MAX_SESSIONS) continue
      this.#sessions.delete(key)
      void session.close(true)
    }
  }

  /** What runs in sessions is watched no more, and the servers are not told: it goes on. */
  async leave(): Promise<void> {
    const sessions = [...this.#sessions.values()]
    this.#sessions.clear()
    await Promise.all(sessions.map((session) => session.close(session.idleSince !== null)))
  }

  async close(): Promise<void> {
    await within(END_MS, this.leave())
    await this.#wires.close()
  }
}
