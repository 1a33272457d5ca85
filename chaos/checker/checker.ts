// Reads a history and holds it to the promises. It knows nothing but the file.
import type { Event, ResultLine, Written } from '../history/events.ts'
import { Jobs } from './jobs.ts'
import { idsOf, isOver, type Rule, type Task, Tasks, type Violation } from './model.ts'
import { Recovery } from './recovery.ts'
import { Slots } from './slots.ts'
import { Statistics } from './statistics.ts'

/** Kept to be shown; all are counted. */
const SHOWN_PER_RULE = 10
/** From the last fault to the last result. */
const DRAIN_MS = 60_000

type Of<E extends Event['e']> = Written & { e: E }

export class Checker {
  readonly tasks = new Tasks()
  readonly recovery = new Recovery()
  readonly statistics = new Statistics()
  readonly violations: Violation[] = []
  readonly counts = new Map<Rule, number>()
  readonly slots = new Slots((pool, running, slots, at) =>
    this.#violation('over-slots', `${pool} had ${running} runs and has ${slots} slots`, at),
  )
  readonly jobs = new Jobs((what, at) => this.#violation('job-again', what, at))
  head: Of<'run'> | null = null
  readonly #messages = new Map<string, { count: number; alone: boolean }>()
  /** Sequences of RESULTS that the reader was given. */
  readonly #sequences = new Set<number>()
  #readAll: number | null = null
  #lastAt = 0

  #violation(rule: Rule, what: string, at: number): void {
    const count = (this.counts.get(rule) ?? 0) + 1
    this.counts.set(rule, count)
    if (count <= SHOWN_PER_RULE) this.violations.push({ rule, what, at })
  }

  take(event: Written): void {
    this.#lastAt = Math.max(this.#lastAt, event.t)
    this.statistics.take(event)
    switch (event.e) {
      case 'run':
        this.head = event
        this.slots.declare(event.pools)
        this.jobs.declare(event.jobs ?? [])
        break
      case 'sub':
        this.#submitted(event)
        break
      case 'ack':
        this.#acknowledged(event)
        break
      case 'told':
        this.#ended(this.tasks.of(event.id), event.s, event.t, 'told-otherwise')
        break
      case 'cancel':
        this.tasks.of(event.id).cancelAsked = true
        break
      case 'cancelled':
        this.#cancelled(event)
        break
      case 'status':
        this.#status(event)
        break
      case 'begin':
        this.#begin(event)
        break
      case 'end':
        this.slots.end(event.p, `${event.id}/${event.a}`)
        this.jobs.end(event.p, event.id, event.how)
        break
      case 'gone':
        this.slots.gone(event.name)
        break
      case 'stored':
        if (this.#sequences.has(event.q)) return
        this.#sequences.add(event.q)
        for (const line of event.r) this.#stored(line, event.t)
        break
      case 'final':
        this.#final(event)
        break
      case 'read':
        this.#readAll = event.stored
        break
      case 'fault':
        this.recovery.fault(event)
        if (event.leads) this.jobs.executorHit()
        break
      case 'repaired':
        this.recovery.repaired(event.n, event.t)
        break
      case 'probe':
        if (event.ok) this.recovery.answered(event.role, event.from, event.t)
        break
      case 'left':
        this.#violation('not-drained', `${event.open} messages had tasks without a result`, event.t)
        break
    }
  }

  #submitted({ m, k, alone, way, t }: Of<'sub'>): void {
    this.#messages.set(m, { count: k.length, alone })
    let i = 0
    for (const id of idsOf(m, k.length, alone)) {
      const task = this.tasks.of(id)
      if (!task.submitted) task.firstSubmittedAt = t
      task.submitted = true
      task.kind = k[i++] as Task['kind']
      task.way = way
    }
  }

  #acknowledged({ m, by, t }: Of<'ack'>): void {
    this.recovery.acknowledged(by, t)
    const message = this.#messages.get(m)
    if (!message) return
    for (const id of idsOf(m, message.count, message.alone)) {
      const task = this.tasks.of(id)
      if (task.ackedAt === null) this.statistics.inFlight(task.seen > 0 ? 0 : 1, t)
      task.ackedAt ??= t
    }
  }

  /** Somebody was told that a task has ended. */
  #ended(task: Task, status: string, at: number, rule: Rule): void {
    if (task.terminal === null) task.terminal = { s: status, at }
    else if (task.terminal.s !== status)
      this.#violation(rule, `${task.id} was ${task.terminal.s}, and then ${status}`, at)
  }

  #cancelled({ id, ok, s, t }: Of<'cancelled'>): void {
    const task = this.tasks.of(id)
    task.cancelAnswer = { ok, s }
    if (isOver(s)) this.#ended(task, s, t, 'cancelled-completed')
  }

  #status({ id, from, s, t }: Of<'status'>): void {
    const task = this.tasks.of(id)
    if (isOver(s)) {
      this.#ended(task, s, t, 'status-backward')
      return
    }
    const known = s !== 'NOT_FOUND'
    if (known && s !== 'pending' && s !== 'running') return // no executor answered
    if (task.terminal && task.terminal.at < from)
      this.#violation('status-backward', `${id} was ${task.terminal.s}, and then ${s}`, t)
    else if (!known && task.ackedAt !== null && task.ackedAt < from)
      this.#violation('status-backward', `${id} was acknowledged, and then ${s}`, t)
  }

  #begin({ p, id, a, t }: Of<'begin'>): void {
    this.slots.begin(p, `${id}/${a}`, t)
    this.jobs.begin(p, id, a, t)
    const task = this.tasks.of(id)
    task.runs++
    if (task.attempts.includes(a)) this.statistics.sameNumber++
    else if (task.attempts.length < 20) task.attempts.push(a)
    task.lastBegin = { pool: p, at: t }
  }

  #stored(line: ResultLine, at: number): void {
    const [id, status, pool] = line
    const task = this.tasks.of(id)
    if (!task.submitted) this.#violation('no-submission', `${id} ended ${status}`, at)
    if (++task.seen > 1) {
      this.#violation('two-results', `${id} ended ${task.result?.[1]}, and then ${status}`, at)
      return
    }
    if (task.ackedAt !== null) this.statistics.inFlight(-1, at)
    this.statistics.lastResultAt = at
    task.result = line
    task.seenAt = at
    if (status === 'completed') this.recovery.completed(task, pool, at)
  }

  #final({ r, t }: Of<'final'>): void {
    for (const [id, status] of r) {
      const task = this.tasks.of(id)
      if (++task.final > 1) this.#violation('two-results', `${id} is stored ${task.final} times`, t)
      task.finalStatus = status
    }
  }

  /** When all has been read. */
  finish(): void {
    const at = this.#lastAt
    if (this.#readAll === null)
      this.#violation('unseen-result', 'the history ends before all was read once more', at)
    const { calmAt, lastResultAt } = this.statistics
    if (calmAt === null || lastResultAt > calmAt + DRAIN_MS)
      this.#violation('not-drained', `the last result came at ${seconds(lastResultAt)}`, lastResultAt)
    for (const task of this.tasks.values()) this.#judge(task, at)
  }

  #judge(task: Task, at: number): void {
    const { id, result } = task
    if (task.kind === 'b') return
    if (task.ackedAt !== null && task.final === 0 && task.seen === 0)
      this.#violation('lost-result', `${id} (${task.way}) was acknowledged at ${seconds(task.ackedAt)}`, at)
    if (this.#readAll !== null && task.seen > 0 !== task.final > 0)
      this.#violation('unseen-result', `${id}: seen ${task.seen} times, stored ${task.final} times`, at)
    if (!result) return
    const status = result[1]
    if (task.terminal && task.terminal.s !== status)
      this.#violation(
        'told-otherwise',
        `${id} is stored as ${status}, told as ${task.terminal.s}`,
        task.terminal.at,
      )
    if (task.finalStatus !== null && task.finalStatus !== status)
      this.#violation('two-results', `${id} was stored as ${status}, and is ${task.finalStatus}`, at)
    if (task.cancelAnswer?.ok && status !== 'cancelled')
      this.#violation('cancelled-completed', `${id} was answered cancelled and ended ${status}`, task.seenAt)
    if (!isMeant(task, result))
      this.#violation(
        'unexpected-end',
        `${id} (kind ${task.kind}) ended ${status} ${result[4] ?? ''}`,
        task.seenAt,
      )
  }
}

/** Five pools lost under a task end it, whatever it is: here that is bad luck and no poison. */
function isMeant(task: Task, [, status, , , reason]: ResultLine): boolean {
  if (reason === 'POISON') return true
  // Whether it was answered or not; what the answer said is another rule's.
  if (status === 'cancelled') return task.cancelAsked
  if (task.kind === 'f') return status === 'failed'
  // Too many of its branches may have been given up.
  return task.kind === 'o' || status === 'completed'
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
