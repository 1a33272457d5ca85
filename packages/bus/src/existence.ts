// Whether anything is stored under subjects of RESULTS. What is asked in one turn of the event loop goes in one request: of
// tasks that come by the thousand each alone, the question would cost more messages than the answer's tasks.
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import { STREAMS, Tickets } from '@poolmesh/types'

type Done = (exists: boolean | null) => void

interface Asked {
  waiting: Map<string, Done[]>
  deadline: number
}

const TIMEOUT_MS = 5_000
/** The server takes 1,024 subjects in a request (ADR-31). */
const MAX_SUBJECTS = 500
const [END_OF_BATCH, NOTHING] = [204, 404] as const

export class Existence implements Disposable {
  readonly #nc: NatsConnection
  readonly #inbox = `${createInbox()}.`
  readonly #subscription: Subscription
  readonly #asked = new Tickets<Asked>()
  readonly #timer: NodeJS.Timeout
  #open = new Map<string, Done[]>()
  #planned: NodeJS.Immediate | null = null

  constructor(nc: NatsConnection) {
    this.#nc = nc
    this.#subscription = nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (!error) this.#hear(message)
      },
    })
    this.#timer = setInterval(() => this.#expire(), 250)
  }

  /** `done` is called once; null: the broker did not say. */
  ask(subject: string, done: Done): void {
    const same = this.#open.get(subject)
    if (same) same.push(done)
    else this.#open.set(subject, [done])
    if (this.#open.size >= MAX_SUBJECTS) this.#send()
    else this.#planned ??= setImmediate(() => this.#send())
  }

  #send(): void {
    if (this.#planned) clearImmediate(this.#planned)
    this.#planned = null
    const waiting = this.#open
    this.#open = new Map()
    const ticket = this.#asked.add({ waiting, deadline: performance.now() + TIMEOUT_MS })
    const request = JSON.stringify({ multi_last: [...waiting.keys()] })
    try {
      this.#nc.publish(`$JS.API.DIRECT.GET.${STREAMS.results}`, request, {
        reply: `${this.#inbox}${ticket}`,
      })
    } catch {
      // The connection is closed.
      this.#end(ticket, null)
    }
  }

  #hear(message: Msg): void {
    const ticket = Number(message.subject.slice(this.#inbox.length))
    const code = message.headers?.code ?? 0
    if (code === END_OF_BATCH || code === NOTHING) this.#end(ticket, false)
    else if (code !== 0) this.#end(ticket, null)
    else this.#found(ticket, message.headers?.get('Nats-Subject') ?? '')
  }

  #found(ticket: number, subject: string): void {
    const waiting = this.#asked.get(ticket)?.waiting
    const all = waiting?.get(subject) ?? []
    waiting?.delete(subject)
    for (const done of all) done(true)
  }

  /** What was not found until now is as `exists` says. */
  #end(ticket: number, exists: false | null): void {
    const asked = this.#asked.take(ticket)
    if (asked) answer(asked.waiting, exists)
  }

  #expire(): void {
    const now = performance.now()
    for (const [ticket, { deadline }] of this.#asked.entries()) {
      if (deadline > now) return
      this.#end(ticket, null)
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    if (this.#planned) clearImmediate(this.#planned)
    this.#subscription.unsubscribe()
    answer(this.#open, null)
    this.#open.clear()
    for (const { waiting } of this.#asked.takeAll()) answer(waiting, null)
  }
}

function answer(waiting: ReadonlyMap<string, readonly Done[]>, exists: false | null): void {
  for (const all of waiting.values()) for (const done of all) done(exists)
}
