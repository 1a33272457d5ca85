// The one list of codes: refusals (`error.code`), and reasons in a result's `metadata.reason`. Codes are stable:
// they are added to, never renamed. `status` is what goes into `Nats-Service-Error-Code`, after HTTP's meanings.

export const ERRORS = {
  INVALID_JSON: { status: 400, meaning: 'The message is not JSON in UTF-8.' },
  INVALID_INPUT: {
    status: 400,
    meaning: 'The message is JSON of the wrong shape; `issues` says where and why.',
  },
  UNAUTHORIZED: {
    status: 401,
    meaning: 'The request has no valid token, or comes from where none may come.',
  },
  NOT_FOUND: { status: 404, meaning: 'Nothing is known under that id or name.' },
  CONFLICT: {
    status: 409,
    meaning:
      'What was asked for does not go with what is there: a task with that id is already pending, a pool of that name was spawned, or others have changed it.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    meaning: 'The task or its output is larger than poolmesh takes (64 MiB).',
  },
  OVERLOADED: { status: 429, meaning: 'The stream of pending tasks is full; try again later.' },
  INTERNAL: { status: 500, meaning: 'A defect or a fault inside a service; its log has the details.' },
  UNAVAILABLE: {
    status: 503,
    meaning: 'Nothing answers: no server, no connection, or the service is not running.',
  },
  DEADLINE_EXCEEDED: { status: 504, meaning: 'The caller’s own deadline passed before an answer came.' },
  REPLY_TOO_LARGE: { status: 413, meaning: 'The reply would not fit into one message; ask for less.' },
  INVALID_SETTING: { status: 400, meaning: 'A setting is unknown or out of range; the start was refused.' },

  QUEUE_TIMEOUT: { status: 504, meaning: 'No pool took the task within its `queue_timeout`.' },
  RUN_TIMEOUT: { status: 504, meaning: 'The run took longer than the task’s `timeout`.' },
  CANCELLED: { status: 409, meaning: 'Somebody cancelled the task.' },
  HANDLER_ERROR: { status: 500, meaning: 'The pool ran the task and reported a failure.' },
  INVALID_RESULT: {
    status: 502,
    meaning: 'The pool answered with something that is no DistributedTaskResult.',
  },
  POOL_GONE: { status: 503, meaning: 'Nobody subscribed to the pool’s work when the task was sent there.' },
  POOL_LOST: { status: 503, meaning: 'The pool died or was removed while it ran the task.' },
  ANSWER_LOST: {
    status: 503,
    meaning: 'The connection was cut while a pool ran the task; its answer may be lost.',
  },
  POISON: { status: 500, meaning: 'Pool after pool was lost while it ran the task; it is not tried again.' },
  POOL_REFUSED: { status: 503, meaning: 'The pool refused the task because it is full or is shutting down.' },
  NOT_YET: { status: 409, meaning: 'The task’s `not_before` has not come.' },
  BRANCH_FAILED: { status: 502, meaning: 'A branch that had to succeed did not.' },
  NO_SUCCESS: { status: 502, meaning: 'No branch succeeded.' },
  NO_MAJORITY: { status: 502, meaning: 'No output was given by more than half of the branches.' },
  QUORUM_UNREACHABLE: { status: 502, meaning: 'Fewer branches than the quorum can still succeed.' },
} as const satisfies Record<string, { status: number; meaning: string }>

export type ErrorCode = keyof typeof ERRORS

/** Where in the input something is wrong: `path` is dotted (`fan_out.pools.0`), empty for the whole. */
export interface Issue {
  path: string
  message: string
}

/** What a refusal carries on the wire: `{error: {code, message, issues}}`. */
export interface Refusal {
  error: {
    code: ErrorCode
    message: string
    issues: Issue[]
    /** Of OVERLOADED: milliseconds after which another try may succeed. */
    retry_after_ms?: number
  }
}

/** A pause that lets a stream of pending tasks get some room, and keeps a submitter from hammering it. */
const RETRY_AFTER_MS = 1_000

/** The one exception that poolmesh throws on purpose. Services turn it into a {@link Refusal}. */
export class PoolmeshError extends Error {
  readonly code: ErrorCode
  readonly issues: Issue[]
  /** Milliseconds after which another try may succeed; undefined where waiting is no help. */
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, issues: Issue[] = [], options?: ErrorOptions) {
    super(message, options)
    this.name = 'PoolmeshError'
    this.code = code
    this.issues = issues
    this.retryAfterMs = code === 'OVERLOADED' ? RETRY_AFTER_MS : undefined
  }

  toRefusal(): Refusal {
    const { code, message, issues, retryAfterMs } = this
    const hint = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }
    return { error: { code, message, issues, ...hint } }
  }
}
