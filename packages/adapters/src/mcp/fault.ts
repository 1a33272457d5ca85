// What can go wrong between us and an MCP server, told apart by what may be concluded for the work that was asked for.

export type FaultKind =
  /** Nobody was there: nothing was sent. */
  | 'unreachable'
  /** The connection went before there was an answer. */
  | 'broken'
  /** An HTTP status that is no success. */
  | 'status'
  /** An answer of the protocol: the server would not take the request. */
  | 'refused'
  /** An answer that is not as the protocol has it, or too long. */
  | 'malformed'
  | 'timed_out'
  | 'aborted'

interface About {
  /** Of `status`. */
  status?: number
  /** Of `status`: what the server asks for. */
  retryAfterMs?: number | null
  /** Of `refused`: a code of JSON-RPC. */
  code?: number
  /** False: the tool was certainly not begun. */
  sent?: boolean
}

/** Its message is about the server and names neither an address nor a header. */
export class McpFault extends Error {
  readonly kind: FaultKind
  readonly status: number | undefined
  readonly retryAfterMs: number | null
  readonly code: number | undefined
  readonly sent: boolean

  constructor(kind: FaultKind, message: string, about: About = {}) {
    super(message)
    this.name = 'McpFault'
    this.kind = kind
    this.status = about.status
    this.retryAfterMs = about.retryAfterMs ?? null
    this.code = about.code
    this.sent = about.sent ?? true
  }

  /** The same, of what was asked for before the work. */
  notBegun(): McpFault {
    const { kind, message, status, retryAfterMs, code } = this
    return new McpFault(kind, message, {
      ...(status === undefined ? {} : { status }),
      ...(code === undefined ? {} : { code }),
      retryAfterMs,
      sent: false,
    })
  }
}
