// Mirrors `task.cancel` of services/executor/src/questions.ts, and own.ts: what is asked of whoever holds a task.
import type { DistributedTaskResult, TaskStatus } from '@poolmesh/types'
import { type Flow, run, until } from './flow.ts'
import type { Reply } from './network.ts'
import type { Outcome, StoredMessage } from './store.ts'
import { notifyTopic, resultSubject, type Wiring } from './wiring.ts'

const ASK_MS = 3_000
const READ_MS = 5_000

export interface CancelReply {
  readonly cancelled: boolean
  readonly status: TaskStatus
}

/** Promises of the engine that are not settled: the runner lets them settle between two events. */
export interface Promised {
  count: number
}

export class Questions {
  readonly #wiring: Wiring
  readonly #promised: Promised

  constructor(wiring: Wiring, promised: Promised) {
    this.#wiring = wiring
    this.#promised = promised
    wiring.connection.subscribe<string>('serve.cancel', (taskId, respond) =>
      run(this.#cancel(taskId), (reply) => {
        if (reply) respond(reply)
      }),
    )
  }

  /** While this executor dispatches. @returns what ends it */
  answerForOwn(): () => void {
    const { connection, engine, mayAct } = this.#wiring
    const stops = [
      connection.subscribe<string>('own.cancel', (taskId, respond) => {
        if (mayAct()) run(this.#held(taskId), respond)
      }),
      connection.subscribe<{ pool: string; runs: { taskId: string; attempt: number }[] }>(
        'own.wanted',
        ({ pool, runs }, respond) => {
          if (!mayAct()) return
          const unwanted = runs.filter(({ taskId, attempt }) => {
            const current = engine().find(taskId)?.run
            return current?.pool.name !== pool || current.attempt !== attempt
          })
          respond(engine().recovering ? [] : unwanted)
        },
      ),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  *#held(taskId: string): Flow<CancelReply | null> {
    const { engine, process } = this.#wiring
    const promise = engine().cancel(taskId, 'asked to')
    if (!promise) return null
    this.#promised.count++
    return yield* until<CancelReply | null>((resume) => {
      void promise.then((reply) => {
        this.#promised.count--
        process.does(() => resume(reply))
      })
    })
  }

  *#read<T>(atBroker: () => T): Flow<Reply<T>> {
    return yield* until<Reply<T>>((resume) => this.#wiring.connection.call(atBroker, READ_MS, resume))
  }

  *#ask(taskId: string, fanOut: boolean): Flow<CancelReply | null> {
    const topic = fanOut ? 'own.fanout' : 'own.cancel'
    const reply = yield* until<Reply<CancelReply | null>>((resume) =>
      this.#wiring.connection.request(topic, taskId, ASK_MS, resume),
    )
    return reply.kind === 'reply' ? reply.value : null
  }

  /** Null: it cannot be said now. */
  *#cancel(taskId: string): Flow<CancelReply | null> {
    const held = yield* this.#held(taskId)
    if (held) return held
    const { store } = this.#wiring.connection.broker
    const found = yield* this.#read(() => ({
      ended: store.resultOf(taskId),
      message: store.submissionOf(taskId),
    }))
    if (found.kind !== 'reply') return null
    const { ended, message } = found.value
    if (ended) return { cancelled: false, status: ended.status }
    if (!message) return null
    const answer = yield* this.#ask(taskId, message.feed === 'fanout')
    return answer ?? (yield* this.#cancelStored(taskId, message))
  }

  *#cancelStored(taskId: string, message: StoredMessage): Flow<CancelReply | null> {
    const { broker } = this.#wiring.connection
    const subject = resultSubject(message)
    const stored = yield* this.#read(() => broker.store.under(subject))
    if (stored.kind !== 'reply') return null
    const { results, lastSequence } = stored.value
    const already = results.find((result) => result.task_id === taskId)
    if (already) return { cancelled: false, status: already.status }
    const result: DistributedTaskResult = {
      task_id: taskId,
      pool_name: null,
      status: 'cancelled',
      output: null,
      error: 'cancelled',
      duration: 0,
      metadata: { attempts: 0, queued_ms: 0, reason: 'CANCELLED' },
    }
    const written = yield* this.#read<Outcome>(() => broker.append(subject, [result], lastSequence))
    if (written.kind !== 'reply') return null
    if (written.value.kind !== 'stored') return yield* this.#cancel(taskId)
    yield* this.#ask(taskId, message.feed === 'fanout')
    const still = yield* this.#read(() => broker.store.resultOf(taskId))
    if (message.alone && still.kind === 'reply' && still.value)
      yield* this.#read(() => broker.store.delete(message.sequence))
    this.#wiring.connection.publish(notifyTopic(message), [result])
    return { cancelled: true, status: 'cancelled' }
  }
}
