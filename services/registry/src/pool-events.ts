// `pool.registered` and `pool.deregistered`, stored in POOL_EVENTS.
import { randomUUID } from 'node:crypto'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type Logger, Publisher } from '@poolmesh/bus'
import { type HealthStatus, type PoolEvent, SUBJECTS } from '@poolmesh/types'

export type PoolEventReason = 'registered' | 'replaced' | 'discovered' | 'deregistered' | 'drained'

/** Each try waits 5 s for the broker. */
const MAX_TRIES = 3

export class PoolEvents implements Disposable {
  readonly #publisher: Publisher
  readonly #log: Logger

  constructor(nc: NatsConnection, log: Logger) {
    this.#publisher = new Publisher(nc)
    this.#log = log
  }

  /**
   * Resolves when the event is stored. What it tells of has happened, so that an event that cannot be stored is no
   * reason to refuse it: it is logged then.
   */
  async tell(pool: string, reason: PoolEventReason, previous: HealthStatus | null): Promise<void> {
    const gone = reason === 'deregistered' || reason === 'drained'
    const event: PoolEvent = {
      event_id: randomUUID(),
      at: new Date().toISOString(),
      pool,
      reason,
      previous_status: previous,
    }
    this.#log.info({ pool_name: pool, reason }, gone ? 'pool deregistered' : 'pool registered')
    const header = headers()
    // A try whose answer was lost may have been stored: the same id is stored once.
    header.set('Nats-Msg-Id', event.event_id)
    const subject = gone ? SUBJECTS.poolDeregistered : SUBJECTS.poolRegistered
    for (let tried = 1; tried <= MAX_TRIES; tried++) {
      const outcome = await this.#publisher.store(subject, JSON.stringify(event), header)
      if (outcome.kind === 'stored') return
      if (tried === MAX_TRIES)
        this.#log.error({ pool_name: pool, event, cause: outcome.message }, 'an event could not be stored')
    }
  }

  [Symbol.dispose](): void {
    this.#publisher.close()
  }
}
