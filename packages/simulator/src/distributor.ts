// Mirrors services/distributor/src/{coordinator,take-up,branches,lookup,storage}.ts: fan-outs, whose every decision is the
// core's FanOutRun. Branches are tasks in the lanes, with results of their own.
import { type Branch, branchPrinter, FanOutRun, isFanOut, resultOf } from '@poolmesh/core'
import { type DistributedTask, type DistributedTaskResult, laneOf, type TaskStatus } from '@poolmesh/types'
import { type Flow, run as runFlow, together, until } from './flow.ts'
import type { Delivery } from './lane.ts'
import type { Connection, Reply } from './network.ts'
import type { Process } from './process.ts'
import { acknowledge, handBack, Puller } from './puller.ts'
import type { CancelReply } from './questions.ts'
import type { Outcome } from './store.ts'
import { notifyTopic } from './wiring.ts'

const CALL_MS = 5_000
const TICK_MS = 100
const KEEP_MS = 2_000
const RETRY_MS = 500
const LOSERS_MS = 2_000
const CANCEL_MS = 200
const POLL_MS = 2_000
const MAX_POLL_MS = 15_000
const MAX_OUTPUT_BYTES = 1e6
const ROOM = 20

/** A fan-out in flight; its batch is of one task. */
interface Parent {
  delivery: Delivery
  readonly others: Delivery[]
  isGone: boolean
  readonly id: string
  readonly run: FanOutRun
  readonly takenOver: boolean
  readonly print: (branch: Branch) => string
  state: 'beginning' | 'running' | 'ended'
  lastSequence: number
  /** Cancelled while it was beginning. */
  cancelled: boolean
  /** Branches whose submission was not taken: when to try again. */
  readonly unsent: Map<Branch, number>
  closeBy: number
  busy: boolean
  pollAt: number
  pollPause: number
  readonly onStored: ((status: TaskStatus) => void)[]
}

export class Distributor {
  readonly #process: Process
  readonly #connection: Connection
  readonly #parents = new Map<string, Parent>()
  readonly #puller: Puller
  #looking = 0
  #highest = 0
  #stopped = false

  constructor(process: Process, connection: Connection) {
    this.#process = process
    this.#connection = connection
    this.#puller = new Puller(connection, process, {
      consumer: 'fanout',
      room: () => ROOM - this.#parents.size - this.#looking,
      onMessage: (delivery) => this.#take(delivery),
    })
    connection.subscribe<string>('own.fanout', (taskId, respond) => this.#cancel(taskId, respond))
    process.every(TICK_MS, () => {
      for (const parent of [...this.#parents.values()]) this.#watch(parent)
    })
    process.every(KEEP_MS, () => this.#keep())
    connection.onUp = () => {
      this.#puller.reset()
      for (const parent of this.#parents.values()) {
        parent.pollAt = 0
        parent.isGone = true
      }
    }
  }

  #call<T>(atBroker: () => T): Flow<Reply<T>> {
    return until<Reply<T>>((resume) => this.#connection.call(atBroker, CALL_MS, resume))
  }

  #pause(ms: number): Flow<void> {
    return until<void>((resume) => this.#process.after(ms, () => resume()))
  }

  #keep(): void {
    const { broker } = this.#connection
    for (const { delivery, isGone } of this.#parents.values())
      if (!isGone)
        this.#connection.say(() =>
          broker.consumers.get(delivery.consumer)?.working(delivery.message.sequence),
        )
  }

  // Taking up

  #again(delivery: Delivery): boolean {
    const held = this.#parents.get(delivery.message.id)
    if (!held) return false
    const { sequence } = delivery.message
    const other = held.others.findIndex(({ message }) => message.sequence === sequence)
    if (held.delivery.message.sequence === sequence && !held.isGone) held.delivery = delivery
    else if (other >= 0) held.others[other] = delivery
    else held.others.push(delivery)
    return true
  }

  /** Where a sequence comes that was there before, the broker has lost the last messages with its power. */
  #lookBack({ message, deliveries }: Delivery): void {
    const before = this.#highest
    this.#highest = Math.max(before, message.sequence)
    if (message.sequence > before) return
    for (const parent of this.#parents.values()) {
      const held = parent.delivery.message.sequence
      const isAnother = held === message.sequence && parent.id !== message.id
      if (isAnother || (deliveries === 1 && held > message.sequence)) parent.isGone = true
    }
  }

  #take(delivery: Delivery): void {
    this.#lookBack(delivery)
    if (this.#again(delivery)) return
    this.#looking++
    const { store } = this.#connection.broker
    const { message } = delivery
    runFlow(
      this.#call(() => store.under(message.id)),
      (reply) => {
        this.#looking--
        if (this.#stopped || this.#again(delivery)) return
        if (reply.kind !== 'reply') handBack(this.#connection, delivery, RETRY_MS)
        else if (reply.value.results.length > 0) {
          this.#connection.publish(notifyTopic(message), reply.value.results)
          acknowledge(this.#connection, delivery)
        } else this.#accept(delivery, reply.value.lastSequence)
        this.#puller.nudge()
      },
    )
  }

  #accept(delivery: Delivery, lastSequence: number): void {
    const { message, deliveries } = delivery
    const [task] = message.tasks
    if (!task || !isFanOut(task) || task.fan_out.pools === 'all') return
    const parent: Parent = {
      delivery,
      others: [],
      isGone: false,
      id: message.id,
      run: new FanOutRun(task, {
        pools: [...new Set(task.fan_out.pools)],
        submittedAt: message.submittedAt,
        maxOutputBytes: MAX_OUTPUT_BYTES,
      }),
      takenOver: deliveries > 1,
      print: branchPrinter(task),
      state: 'beginning',
      lastSequence,
      cancelled: false,
      unsent: new Map(),
      closeBy: 0,
      busy: false,
      pollAt: 0,
      pollPause: POLL_MS,
      onStored: [],
    }
    this.#parents.set(parent.id, parent)
    this.#connection.subscribe<DistributedTaskResult[]>(`branch.${parent.id}`, (results) => {
      for (const result of results) this.#settle(parent, result)
    })
    runFlow(this.#begin(parent))
  }

  *#begin(parent: Parent): Flow<void> {
    if (parent.takenOver) while (!(yield* this.#recover(parent))) yield* this.#pause(RETRY_MS)
    if (parent.state !== 'beginning' || this.#stopped) return
    parent.state = 'running'
    const now = this.#process.wall()
    if (parent.cancelled) parent.run.cancel('asked to', now)
    this.#heard(parent)
    this.#advance(parent)
  }

  /** What was started before: pending first, since what ends in between is found among the results then. */
  *#recover({ run }: Parent): Flow<boolean> {
    const { store } = this.#connection.broker
    run.recover()
    const pending = yield* this.#call(() => run.branches.filter(({ id }) => store.submissionOf(id)))
    if (pending.kind !== 'reply') return false
    const results = yield* this.#results(run.branches)
    if (!results) return false
    const ended = results.map((result) => ({ result }))
    run.recovered(
      pending.value.map(({ id }) => id),
      ended,
      this.#process.wall(),
    )
    return true
  }

  *#results(branches: readonly Branch[]): Flow<DistributedTaskResult[] | null> {
    const { store } = this.#connection.broker
    const reply = yield* this.#call(() => branches.flatMap(({ id }) => store.under(`branch.${id}`).results))
    return reply.kind === 'reply' ? reply.value : null
  }

  // Running

  #advance(parent: Parent): void {
    const { run } = parent
    if (parent.state !== 'running') return
    const now = this.#process.wall()
    for (const branch of run.start(now)) this.#submit(parent, branch)
    if (run.phase === 'closing' && parent.closeBy === 0) {
      parent.closeBy = now + (run.cancelledBecause === null ? LOSERS_MS : CANCEL_MS)
      parent.unsent.clear()
      for (const branch of run.outstanding()) this.#cancelBranch(branch)
    }
    if (run.phase === 'closed') this.#end(parent, resultOf(run, now))
  }

  #cancelBranch({ id }: Branch): void {
    this.#connection.publish('serve.cancel', id)
  }

  #submit(parent: Parent, branch: Branch): void {
    const { broker } = this.#connection
    const task = JSON.parse(parent.print(branch)) as DistributedTask
    this.#connection.call<Outcome>(
      () =>
        broker.submit({
          feed: laneOf(parent.run.task.priority),
          id: branch.id,
          at: broker.now,
          tasks: [task],
          alone: true,
          submittedAt: 1_700_000_000_000 + broker.now,
          parent: parent.id,
          again: false,
          origin: 0,
          parked: null,
        }),
      CALL_MS,
      (reply) => {
        if (parent.state !== 'running' || branch.state !== 'submitted') return
        if (reply.kind === 'reply') parent.unsent.delete(branch)
        else if (parent.run.phase === 'open') parent.unsent.set(branch, this.#process.wall() + RETRY_MS)
      },
    )
  }

  #settle(parent: Parent, result: DistributedTaskResult): void {
    if (parent.state === 'ended' || !parent.run.settle(result, this.#process.wall())) return
    this.#heard(parent)
    this.#advance(parent)
  }

  #heard(parent: Parent): void {
    parent.pollPause = POLL_MS
    parent.pollAt = this.#process.wall() + POLL_MS
  }

  #watch(parent: Parent): void {
    if (parent.state !== 'running') return
    const now = this.#process.wall()
    for (const [branch, at] of parent.unsent) {
      if (branch.state !== 'submitted') parent.unsent.delete(branch)
      else if (at <= now) {
        parent.unsent.set(branch, Number.POSITIVE_INFINITY)
        this.#submit(parent, branch)
      }
    }
    if (parent.busy) return
    if (parent.run.phase === 'closing' && parent.closeBy <= now) this.#alone(parent, this.#endLosers(parent))
    else if (parent.pollAt <= now) {
      parent.pollPause = Math.min(MAX_POLL_MS, parent.pollPause * 2)
      parent.pollAt = now + parent.pollPause
      this.#alone(parent, this.#poll(parent))
    }
  }

  #alone(parent: Parent, flow: Flow<void>): void {
    parent.busy = true
    runFlow(flow, () => {
      parent.busy = false
    })
  }

  /** What is neither pending nor stored is lost with the broker's last writes: once more. */
  *#poll(parent: Parent): Flow<void> {
    const { store } = this.#connection.broker
    const { run } = parent
    const branches = run.outstanding()
    const pending = yield* this.#call(() => branches.filter(({ id }) => store.submissionOf(id)))
    const results = yield* this.#results(branches)
    if (pending.kind !== 'reply' || !results) return
    for (const result of results) this.#settle(parent, result)
    if (parent.state !== 'running' || run.phase !== 'open') return
    for (const branch of branches)
      if (branch.state === 'submitted' && !pending.value.includes(branch) && !parent.unsent.has(branch))
        this.#submit(parent, branch)
  }

  /** The losers' outcomes did not come: they are written, unless they were after all. */
  *#endLosers(parent: Parent): Flow<void> {
    const { run } = parent
    const { broker } = this.#connection
    const end = function* (self: Distributor, branch: Branch): Flow<void> {
      const result = run.cancelledBranch(branch)
      const subject = `branch.${branch.id}`
      const written = yield* self.#call(() => broker.append(subject, [result], 0))
      if (written.kind === 'reply' && written.value.kind === 'stored') self.#settle(parent, result)
      else
        for (const stored of (yield* self.#results([branch])) ?? [])
          if (!self.#stopped) self.#settle(parent, stored)
    }
    parent.closeBy = this.#process.wall() + RETRY_MS
    const losers = run.outstanding()
    if (losers.length > 0) yield* together(...losers.map((branch) => end(this, branch)))
  }

  // Ending

  #end(parent: Parent, result: DistributedTaskResult): void {
    parent.state = 'ended'
    runFlow(this.#write(parent, result))
  }

  *#write(parent: Parent, result: DistributedTaskResult): Flow<void> {
    const { broker } = this.#connection
    const { id } = parent
    while (!this.#stopped) {
      const outcome = yield* this.#call(() => broker.append(id, [result], parent.lastSequence))
      if (outcome.kind === 'reply' && outcome.value.kind === 'stored') {
        this.#stored(parent, [result])
        return
      }
      const stored = yield* this.#call(() => broker.store.under(id))
      if (stored.kind === 'reply') {
        parent.lastSequence = stored.value.lastSequence
        if (stored.value.results.length > 0) {
          this.#stored(parent, stored.value.results)
          return
        }
      }
      yield* this.#pause(RETRY_MS)
    }
  }

  #stored(parent: Parent, results: DistributedTaskResult[]): void {
    this.#connection.publish(notifyTopic(parent.delivery.message), results)
    this.#parents.delete(parent.id)
    const [result] = results
    if (result) for (const tell of parent.onStored.splice(0)) tell(result.status)
    if (!parent.isGone) acknowledge(this.#connection, parent.delivery)
    for (const other of parent.others) acknowledge(this.#connection, other)
    this.#puller.nudge()
  }

  #cancel(taskId: string, respond: (reply: CancelReply) => void): void {
    const parent = this.#parents.get(taskId)
    // Another distributor's: that one answers.
    if (!parent) return
    let mine = false
    if (parent.state === 'beginning') {
      mine = true
      parent.cancelled = true
    } else if (parent.run.cancel('asked to', this.#process.wall())) {
      mine = true
      this.#advance(parent)
    }
    parent.onStored.push((status) => respond({ cancelled: mine && status === 'cancelled', status }))
  }

  /** SIGTERM. */
  stop(): void {
    this.#puller.stop()
    this.#stopped = true
    for (const { delivery, others, isGone } of this.#parents.values())
      for (const one of isGone ? others : [delivery, ...others]) handBack(this.#connection, one, 0)
    this.#parents.clear()
    this.#connection.flush(() => this.#process.kill())
  }
}
