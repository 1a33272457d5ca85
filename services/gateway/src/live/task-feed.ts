// A sample of the tasks that end. Subscribed to only while somebody listens; at high rates most messages are not even
// parsed, and how many results they have is estimated.
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { readResults, summaryOf, type TaskSummary } from '@poolmesh/client'
import { SUBJECTS } from '@poolmesh/types'
import type { Hub } from './hub.ts'

/** In one beat: 20 a second. */
const MAX_TASKS = 10
const MARK = Buffer.from('"task_id":')

export class TaskFeed implements Disposable {
  readonly #nc: NatsConnection
  readonly #hub: Hub
  #subscription: Subscription | null = null
  #items: TaskSummary[] = []
  #omitted = 0

  constructor(nc: NatsConnection, hub: Hub) {
    this.#nc = nc
    this.#hub = hub
    hub.onBeat(() => this.#tell())
  }

  listen(listening: boolean): void {
    this.#subscription?.unsubscribe()
    this.#subscription = null
    this.#items = []
    this.#omitted = 0
    if (!listening) return
    this.#subscription = this.#nc.subscribe(SUBJECTS.taskCompleted, {
      callback: (error, message) => {
        if (!error) this.#hear(message)
      },
    })
  }

  #hear(message: Msg): void {
    const room = MAX_TASKS - this.#items.length
    if (room <= 0) {
      this.#omitted += countMarks(
        Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length),
      )
      return
    }
    const results = readResults(message.data).filter((result) => result !== null)
    const now = new Date().toISOString()
    for (const result of results.slice(-room)) this.#items.push(summaryOf(result, now))
    this.#omitted += Math.max(0, results.length - room)
  }

  #tell(): void {
    if (this.#items.length === 0) return
    this.#hub.publish('tasks', { items: this.#items.toReversed(), omitted: this.#omitted }, true)
    this.#items = []
    this.#omitted = 0
  }

  [Symbol.dispose](): void {
    this.listen(false)
  }
}

/** About as many as there are results: outputs may have the word too. */
function countMarks(data: Buffer): number {
  let count = 0
  for (let at = data.indexOf(MARK); at >= 0; at = data.indexOf(MARK, at + MARK.length)) count++
  return Math.max(1, count)
}
