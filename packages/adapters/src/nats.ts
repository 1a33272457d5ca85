// Sends runs to pools and takes their answers. All runs for one pool in a tick go in one message to pools that take
// arrays; plain subscribers get one task a message. Answers go to subjects that say whose answer it is and that belong to
// no executor: whoever dispatches now hears them, also those for runs that an earlier one began.
import { setTimeout as pause } from 'node:timers/promises'
import {
  headers,
  type Msg,
  type NatsConnection,
  errors as natsErrors,
  nuid,
  type Subscription,
} from '@nats-io/transport-node'
import { type ClaimCheck, type Logger, maxPayload, Recent } from '@poolmesh/bus'
import { type Answer, isoTime, type Run } from '@poolmesh/core'
import {
  cancelSubject,
  HEADERS,
  INTERNAL,
  isId,
  isJsonObject,
  LINE_BREAK,
  type PoolDescriptor,
  type PoolmeshError,
  parseJson,
  parseLines,
  parsePoolAnswer,
  runningSubject,
  Tickets,
  workSubject,
} from '@poolmesh/types'
import type { KnownRuns, PoolAdapter, RunEvents, Traits } from './adapter.ts'

const MAX_RUNS = 200
const MAX_CHARACTERS = 256 * 1024
/** A message that came back because nobody listens does so at once; longer it is not remembered. */
const GROUP_MS = 5_000
/** Answers of plain subscribers that an executor which stands by keeps, since nobody may hear them while one takes over. */
const KEPT_MS = 15_000
const KEPT_ANSWERS = 50_000
const RECONNECT_MS = 500
const KEPT_BYTES = 32 * 1024 ** 2
const ONE = `${INTERNAL.answer}.one`
const MANY = `${INTERNAL.answer}.many`

interface Group {
  runs: Run[]
  until: number
}

const takesArrays = (pool: PoolDescriptor): boolean =>
  (pool.metadata['poolmesh'] as { batch?: unknown } | undefined)?.batch === true
/** It fills in itself what a task leaves out. */
const takesRaw = (pool: PoolDescriptor): boolean =>
  (pool.metadata['poolmesh'] as { raw?: unknown } | undefined)?.raw === true
/** Beside the task. */
const AROUND_RUN = 160
/** Bytes that a UTF-16 unit of a string may take in UTF-8. */
const UNIT_BYTES = 3

export class NatsAdapter implements PoolAdapter {
  readonly #nc: NatsConnection
  readonly #runs: RunEvents
  readonly #claims: ClaimCheck
  readonly #log: Logger
  /** Tells our groups from those of others. */
  readonly #id = nuid.next()
  readonly #recent = new Recent<Msg>({ ms: KEPT_MS, count: KEPT_ANSWERS, bytes: KEPT_BYTES })
  /**
   * Of those who say everything only once. One subscription for good: with another in its place for each role, what the server
   * had sent to the old one and the client had not read yet would be lost.
   */
  readonly #one: Subscription
  #many: Subscription | null = null
  #acts = false
  /** By pool. */
  #queued = new Map<string, Run[]>()
  readonly #groups = new Tickets<Group>()

  constructor(nc: NatsConnection, runs: RunEvents, claims: ClaimCheck, log: Logger) {
    this.#nc = nc
    this.#runs = runs
    this.#claims = claims
    this.#log = log
    this.#one = this.#hear(`${ONE}.>`, (message) => {
      if (this.#acts) this.#answer(message)
      else this.#recent.add(message, message.data.length, performance.now())
    })
  }

  /** Hears answers and tells them; what was heard while standing by is told first. */
  async act(): Promise<void> {
    this.#many ??= this.#hear(`${MANY}.>`, (message) => this.#answer(message))
    await this.#nc.flush()
    this.#acts = true
    for (const message of this.#recent.take(performance.now())) this.#answer(message)
  }

  /** Keeps the last answers of those who say everything only once, and tells nobody. */
  standBy(): void {
    this.#acts = false
    this.#queued = new Map()
    this.#groups.takeAll()
    this.#many?.unsubscribe()
    this.#many = null
  }

  #hear(subject: string, hear: (message: Msg) => void): Subscription {
    return this.#nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error) hear(message)
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
    const queued = this.#queued
    if (queued.size === 0) return
    // Another one, and not cleared: see SlotMap of the types.
    this.#queued = new Map()
    for (const runs of queued.values()) {
      const [first] = runs
      if (first && takesArrays(first.pool.descriptor)) this.#sendTogether(runs)
      else for (const run of runs) this.#sendAlone(run)
    }
  }

  #sendTogether(runs: Run[]): void {
    const raw = runs[0] !== undefined && takesRaw(runs[0].pool.descriptor)
    const maxBytes = maxPayload(this.#nc)
    // In characters, so that the bytes of most need not be counted.
    const limit = Math.min(MAX_CHARACTERS, maxBytes / UNIT_BYTES)
    let text = ''
    let members: Run[] = []
    const send = (): void => {
      if (members.length > 0) this.#publishGroup(members, `[${text}]`)
      text = ''
      members = []
    }
    for (const run of runs) {
      const task = (raw ? run.entry.text : null) ?? JSON.stringify(run.entry.task)
      const size = task.length + AROUND_RUN
      if (size * UNIT_BYTES > maxBytes && Buffer.byteLength(task) + AROUND_RUN > maxBytes) {
        void this.#sendClaimed(run)
        continue
      }
      if (members.length === MAX_RUNS || (members.length > 0 && text.length + size > limit)) send()
      text += members.length === 0 ? '' : LINE_BREAK
      text += raw
        ? `{"attempt":${run.attempt},"task_id":"${run.entry.task.task_id}","task":${task}}`
        : `{"attempt":${run.attempt},"deadline":"${isoTime(run.deadline)}","task":${task}}`
      members.push(run)
    }
    send()
  }

  #publishGroup(runs: Run[], text: string): void {
    const pool = runs[0]?.pool.name as string
    const id = this.#groups.add({ runs, until: performance.now() + GROUP_MS })
    this.#nc.publish(workSubject(pool), text, { reply: `${MANY}.${pool}.${this.#id}.${id}` })
  }

  #sendAlone(run: Run, task: unknown = run.entry.task): void {
    const text = JSON.stringify(task)
    if (task === run.entry.task && Buffer.byteLength(text) > maxPayload(this.#nc)) {
      void this.#sendClaimed(run)
      return
    }
    const h = headers()
    h.set(HEADERS.attempt, String(run.attempt))
    h.set(HEADERS.deadline, isoTime(run.deadline))
    this.#nc.publish(workSubject(run.pool.name), text, {
      reply: `${ONE}.${run.pool.name}.${run.attempt}.${run.entry.task.task_id}`,
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
      const { task_id } = run.entry.task
      this.#runs.answer(run.pool.name, task_id, run.attempt, { kind: 'invalid', problem })
    }
  }

  cancel(pool: string, taskId: string, reason: string): void {
    this.#nc.publish(cancelSubject(pool), JSON.stringify({ task_id: taskId, reason }))
  }

  #answer(message: Msg): void {
    const [kind, pool, third, fourth] = message.subject.slice(INTERNAL.answer.length + 1).split('.')
    const nobody = message.data.length === 0 && message.headers?.code === 503
    if (pool === undefined || third === undefined || fourth === undefined) return
    if (kind === 'one') {
      const attempt = Number(third)
      if (nobody) this.#runs.gone(pool, fourth, attempt)
      else this.#runs.answer(pool, fourth, attempt, readOne(message, fourth))
    } else {
      const group = third === this.#id ? this.#groups.take(Number(fourth)) : undefined
      if (nobody)
        for (const run of group?.runs ?? []) this.#runs.gone(pool, run.entry.task.task_id, run.attempt)
      else this.#answers(pool, message)
    }
  }

  #answers(pool: string, message: Msg): void {
    const text = message.string()
    let body: unknown = parseLines(text)?.values
    let read = toAnswer
    try {
      body ??= parseJson(text, 'the answer')
    } catch (error) {
      const { code, message: problem } = error as PoolmeshError
      if (code === 'INVALID_JSON') {
        this.#log.warn({ subject: message.subject }, 'an answer that is not JSON, ignored')
        return
      }
      body = JSON.parse(text)
      read = () => ({ kind: 'invalid', problem })
    }
    for (const item of Array.isArray(body) ? body : [body]) this.#answerOf(pool, item, read)
  }

  #answerOf(pool: string, item: unknown, read: (item: unknown) => Answer): void {
    const { task_id: taskId, attempt } = (item ?? {}) as { task_id?: unknown; attempt?: unknown }
    if (isId(taskId))
      this.#runs.answer(pool, taskId, typeof attempt === 'number' ? attempt : null, read(item))
  }

  serves({ pool_type }: PoolDescriptor): boolean {
    return pool_type === 'nats'
  }

  traits(pool: PoolDescriptor): Traits {
    return takesArrays(pool)
      ? { cancel: 'acknowledged', output: true, adoption: 'listed' }
      : { cancel: 'requested', output: true, adoption: 'none' }
  }

  /** Its answer comes to whoever dispatches. */
  adopt(): void {}

  async running(pools: readonly PoolDescriptor[], timeoutMs: number): Promise<Map<string, KnownRuns>> {
    const found = new Map<string, KnownRuns>()
    const now = Date.now()
    await Promise.all(
      pools.filter(takesArrays).map(async ({ name }) => {
        const reply = await this.#askRunning(name, timeoutMs)
        const runs = reply && readRunning(reply, now)
        if (runs) found.set(name, runs)
      }),
    )
    return found
  }

  /** Null: nobody there, or no answer in time. It runs nothing that anybody knows of. */
  async #askRunning(pool: string, timeoutMs: number): Promise<Msg | null> {
    const ask = () => this.#nc.request(runningSubject(pool), '', { timeout: timeoutMs })
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof natsErrors.RequestError && error.isNoResponders())) return null
      // After a restart of the server we may be back before the pool is.
      await pause(RECONNECT_MS)
      return await ask().catch(() => null)
    }
  }

  /** Forgets what can no longer come back. */
  sweep(): void {
    const now = performance.now()
    for (const [id, group] of this.#groups.entries()) {
      if (group.until > now) return
      this.#groups.take(id)
    }
  }

  [Symbol.dispose](): void {
    this.#one.unsubscribe()
    this.#many?.unsubscribe()
  }
}

/** `{runs: [{task_id, attempt, age_ms}]}` */
function readRunning(message: Msg, now: number): KnownRuns | null {
  let body: unknown
  try {
    body = message.json()
  } catch {
    return null
  }
  if (!isJsonObject(body) || !Array.isArray(body['runs'])) return null
  return body['runs'].flatMap((run: unknown) => {
    if (!isJsonObject(run) || !isId(run['task_id'])) return []
    const attempt = Number(run['attempt'])
    const age = Number(run['age_ms'] ?? 0)
    return Number.isSafeInteger(attempt)
      ? [{ taskId: run['task_id'], attempt, startedAt: now - Math.max(age, 0) }]
      : []
  })
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
