// Sends runs to pools and takes their answers. All runs for one pool in a tick go in one message to pools that take
// arrays; plain subscribers get one task a message. Answers of both kinds come to one subscription.
import {
  createInbox,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import { type ClaimCheck, type Logger, maxPayload } from '@poolmesh/bus'
import type { Answer, Run } from '@poolmesh/core'
import {
  cancelSubject,
  HEADERS,
  isId,
  type PoolmeshError,
  parseJson,
  parsePoolAnswer,
  workSubject,
} from '@poolmesh/types'
import type { PoolAdapter, RunEvents } from './adapter.ts'

const MAX_RUNS = 200
const MAX_BYTES = 256 * 1024
/** A message that came back because nobody listens does so at once; longer it is not remembered. */
const GROUP_MS = 5_000

interface Group {
  runs: Run[]
  until: number
}

const takesArrays = (run: Run): boolean =>
  (run.pool.descriptor.metadata['poolmesh'] as { batch?: unknown } | undefined)?.batch === true

export class NatsAdapter implements PoolAdapter {
  readonly #nc: NatsConnection
  readonly #runs: RunEvents
  readonly #claims: ClaimCheck
  readonly #log: Logger
  readonly #inbox = createInbox()
  readonly #subscription: Subscription
  readonly #queued = new Map<string, Run[]>()
  readonly #groups = new Map<string, Group>()
  #next = 0

  constructor(nc: NatsConnection, runs: RunEvents, claims: ClaimCheck, log: Logger) {
    this.#nc = nc
    this.#runs = runs
    this.#claims = claims
    this.#log = log
    this.#subscription = nc.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (!error) this.#answer(message)
      },
    })
  }

  /** Sent with the next {@link flush}. */
  add(run: Run): void {
    const runs = this.#queued.get(run.pool.name)
    if (runs) runs.push(run)
    else this.#queued.set(run.pool.name, [run])
  }

  flush(): void {
    for (const runs of this.#queued.values()) {
      const [first] = runs
      if (first && takesArrays(first)) this.#sendTogether(runs)
      else for (const run of runs) this.#sendAlone(run)
    }
    this.#queued.clear()
  }

  #sendTogether(runs: Run[]): void {
    let parts: string[] = []
    let members: Run[] = []
    let bytes = 2
    const send = (): void => {
      if (members.length > 0) this.#publishGroup(members, `[${parts.join(',')}]`)
      parts = []
      members = []
      bytes = 2
    }
    for (const run of runs) {
      const text = JSON.stringify(run.entry.task)
      const size = Buffer.byteLength(text) + 80
      if (size > maxPayload(this.#nc)) {
        void this.#sendClaimed(run)
        continue
      }
      if (members.length === MAX_RUNS || (members.length > 0 && bytes + size > MAX_BYTES)) send()
      parts.push(
        `{"attempt":${run.attempt},"deadline":"${new Date(run.deadline).toISOString()}","task":${text}}`,
      )
      members.push(run)
      bytes += size
    }
    send()
  }

  #publishGroup(runs: Run[], text: string): void {
    const id = (this.#next++).toString(36)
    const pool = runs[0]?.pool.name as string
    this.#groups.set(id, { runs, until: performance.now() + GROUP_MS })
    this.#nc.publish(workSubject(pool), text, { reply: `${this.#inbox}.many.${id}` })
  }

  #sendAlone(run: Run, task: unknown = run.entry.task): void {
    const text = JSON.stringify(task)
    if (task === run.entry.task && Buffer.byteLength(text) > maxPayload(this.#nc)) {
      void this.#sendClaimed(run)
      return
    }
    const h = headers()
    h.set(HEADERS.attempt, String(run.attempt))
    h.set(HEADERS.deadline, new Date(run.deadline).toISOString())
    this.#nc.publish(workSubject(run.pool.name), text, {
      reply: `${this.#inbox}.one.${run.attempt}.${run.entry.task.task_id}`,
      headers: h,
    })
  }

  /** Too large for one message with what is added on the way: the payload goes through the object store. */
  async #sendClaimed(run: Run): Promise<void> {
    try {
      const ref = await this.#claims.put(run.entry.task.payload)
      if (!run.abandoned) this.#sendAlone(run, { ...run.entry.task, payload: {}, payload_ref: ref })
    } catch (error) {
      const problem = `the payload could not be passed on: ${(error as Error).message}`
      this.#runs.answer(run.entry.task.task_id, run.attempt, { kind: 'invalid', problem })
    }
  }

  cancel(pool: string, taskId: string, reason: string): void {
    this.#nc.publish(cancelSubject(pool), JSON.stringify({ task_id: taskId, reason }))
  }

  #answer(message: Msg): void {
    const [kind, key, taskId] = message.subject.slice(this.#inbox.length + 1).split('.')
    const nobody = message.data.length === 0 && message.headers?.code === 503
    if (kind === 'one' && taskId !== undefined) {
      const attempt = Number(key)
      if (nobody) this.#runs.gone(taskId, attempt)
      else this.#runs.answer(taskId, attempt, readOne(message, taskId))
    } else if (kind === 'many' && key !== undefined) {
      const group = this.#groups.get(key)
      this.#groups.delete(key)
      if (nobody) for (const run of group?.runs ?? []) this.#runs.gone(run.entry.task.task_id, run.attempt)
      else this.#answers(message)
    }
    this.#runs.flush()
  }

  #answers(message: Msg): void {
    const text = message.string()
    let body: unknown
    let tooDeep: string | null = null
    try {
      body = parseJson(text, 'the answer')
    } catch (error) {
      if ((error as PoolmeshError).code === 'INVALID_JSON') {
        this.#log.warn({ subject: message.subject }, 'an answer that is not JSON, ignored')
        return
      }
      tooDeep = (error as PoolmeshError).message
      body = JSON.parse(text)
    }
    for (const item of Array.isArray(body) ? body : [body]) {
      const taskId = (item as { task_id?: unknown } | null)?.task_id
      if (!isId(taskId)) continue
      const attempt = (item as { attempt?: unknown }).attempt
      const answer: Answer = tooDeep === null ? toAnswer(item) : { kind: 'invalid', problem: tooDeep }
      this.#runs.answer(taskId, typeof attempt === 'number' ? attempt : null, answer)
    }
  }

  /** Forgets what can no longer come back. */
  sweep(): void {
    const now = performance.now()
    for (const [id, group] of this.#groups) {
      if (group.until > now) return
      this.#groups.delete(id)
    }
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe()
  }
}

function toAnswer(value: unknown): Answer {
  const parsed = parsePoolAnswer(value)
  return parsed.ok
    ? { kind: 'answer', answer: parsed.answer }
    : { kind: 'invalid', problem: `the pool's answer is no DistributedTaskResult: ${parsed.error.message}` }
}

function readOne(message: Msg, taskId: string): Answer {
  let body: unknown
  try {
    body = parseJson(message.string(), "the pool's answer")
  } catch (error) {
    return { kind: 'invalid', problem: (error as PoolmeshError).message }
  }
  const item: unknown = Array.isArray(body) && body.length === 1 ? body[0] : body
  const answer = toAnswer(item)
  if (answer.kind === 'answer' && answer.answer.task_id !== undefined && answer.answer.task_id !== taskId)
    return { kind: 'invalid', problem: `the pool answered for another task, ${answer.answer.task_id}` }
  return answer
}
