// Listens on a submitter's own connection to what it publishes to TASKS and to what the broker answers: the publish
// acknowledgement is the promise that is checked, whatever the client package makes of it.
import {
  createInbox,
  type Msg,
  type NatsConnection,
  type Payload,
  type PublishOptions,
} from '@nats-io/transport-node'
import type { Way } from '../history/events.ts'
import type { History } from '../history/writer.ts'

/** Publishes without an answer that are remembered. */
const MAX_WAITING = 50_000

interface Sent {
  payload?: { k?: string }
  task_id?: string
}

export class WireTap {
  readonly #nc: NatsConnection
  readonly #history: History
  readonly #by: string
  readonly #inboxes = new Set<string>()
  readonly #waiting = new Map<string, string>()
  readonly #plain = new Map<string, () => void>()
  readonly #inbox = createInbox()
  #next = 0

  constructor(nc: NatsConnection, history: History, by: string) {
    this.#nc = nc
    this.#history = history
    this.#by = by
    const publish = nc.publish.bind(nc)
    nc.publish = (subject: string, data?: Payload, options?: PublishOptions): void => {
      if (subject.startsWith('task.submitted') && options?.reply) this.#sent(subject, data, options.reply)
      publish(subject, data, options)
    }
  }

  /** With nothing but a publish and a reply subject. @returns whether it was acknowledged in time */
  async submitPlainly(id: string, text: string, timeoutMs: number): Promise<boolean> {
    return await new Promise((resolve) => {
      const over = (acknowledged: boolean): void => {
        clearTimeout(timer)
        this.#plain.delete(id)
        resolve(acknowledged)
      }
      const timer = setTimeout(() => over(false), timeoutMs)
      this.#plain.set(id, () => over(true))
      this.#nc.publish('task.submitted', text, { reply: `${this.#inbox}.${this.#next++}` })
    })
  }

  #sent(subject: string, data: Payload | undefined, reply: string): void {
    const body = JSON.parse(typeof data === 'string' ? data : new TextDecoder().decode(data)) as Sent | Sent[]
    const tasks = Array.isArray(body) ? body : [body]
    const [, , , id = tasks[0]?.task_id ?? ''] = subject.split('.')
    const alone = !Array.isArray(body)
    const k = tasks.map((task) => task.payload?.k ?? '?').join('')
    const way: Way =
      subject === 'task.submitted' ? 'plain' : id.startsWith('own-') ? 'own' : alone ? 'one' : 'many'
    this.#history.write({ e: 'sub', m: id, k, alone, way, by: this.#by })
    this.#listen(reply)
    this.#waiting.set(reply, id)
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value as string)
  }

  /** On the same connection and before the publish, so that no answer is missed while that stands. */
  #listen(reply: string): void {
    const inbox = reply.slice(0, reply.lastIndexOf('.'))
    if (this.#inboxes.has(inbox)) return
    this.#inboxes.add(inbox)
    this.#nc.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (!error) this.#answered(message)
      },
    })
  }

  #answered(message: Msg): void {
    const m = this.#waiting.get(message.subject)
    if (m === undefined || message.data.length === 0) return
    this.#waiting.delete(message.subject)
    const answer = message.json<{ seq?: number; error?: { err_code?: number } }>()
    if (answer.error) this.#history.write({ e: 'refused', m, code: answer.error.err_code ?? 0 })
    else if (answer.seq) {
      this.#history.write({ e: 'ack', m, by: this.#by })
      this.#plain.get(m)?.()
    }
  }
}
