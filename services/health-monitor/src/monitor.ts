// Follows the pools, checks them, and stores and tells what it finds.
import type { KV } from '@nats-io/kv'
import { nuid } from '@nats-io/transport-node'
import type { Logger, PoolListener, Publisher, Settings, StoredHealth, StoredPool } from '@poolmesh/bus'
import {
  type BreakerPolicy,
  CheckSchedule,
  ErrorTexts,
  HeartbeatWatch,
  type VerdictChange,
  verdictChange,
} from '@poolmesh/core'
import { isJsonObject, type PoolHealth } from '@poolmesh/types'
import { Gate } from './gate.ts'
import type { Line } from './line.ts'
import { EventOutbox, eventOf } from './outbox.ts'
import type { Probes } from './probe.ts'
import type { PoolReport } from './reports.ts'
import { Verdicts } from './verdicts.ts'
import { judge, registrationOf, reportOf, type Watched, watch } from './watched.ts'

/** A check on the bus costs a map entry and a timer; it is the messages in flight that are bounded. */
const BUS_CHECKS_AT_ONCE = 4_096
/** Each may need a socket, and has one as long as a pool hangs. */
const HTTP_CHECKS_AT_ONCE = 512
const RETRY_WRITE_MS = 1_000
/** Events of older verdicts are not looked for when a monitor starts. */
export const MISSED_EVENTS_MS = 3_600_000

export interface MonitorParts {
  settings: Settings['poolmesh']
  probes: Probes
  publisher: Publisher
  healthBucket: KV
  line: Line
  log: Logger
}

function breakerPolicy(settings: Settings['poolmesh']): BreakerPolicy {
  const windowMs = settings.flapping_window * 1000
  return {
    degradedAfter: settings.degraded_after,
    unavailableAfter: settings.unavailable_after,
    flapping: { changes: settings.flapping_changes, windowMs, holdSuccesses: 3, firstHoldMs: windowMs / 10 },
  }
}

interface Lane {
  readonly schedule: CheckSchedule<Watched>
  readonly gate: Gate
}

export class HealthMonitor implements PoolListener {
  readonly outbox: EventOutbox
  readonly #id = nuid.next()
  readonly #parts: MonitorParts
  readonly #policy: BreakerPolicy
  readonly #texts = new ErrorTexts()
  readonly #pools = new Map<string, Watched>()
  /** One for what is asked on the bus and one for what is asked over HTTP: what hangs there holds up nobody here. */
  readonly #lanes: Record<'bus' | 'http', Lane>
  readonly #heartbeats: HeartbeatWatch
  readonly #verdicts: Verdicts
  /** Verdicts being written: one at a time for each pool. */
  readonly #writing = new Map<string, Promise<void>>()
  readonly #writeLater = new Set<Watched>()
  #writeLaterAt = 0
  #ready = false
  #totalChecks = 0
  #beats = 0
  #beatsMissed = 0

  constructor(parts: MonitorParts) {
    const { settings } = parts
    this.#parts = parts
    this.#policy = breakerPolicy(settings)
    const lane = (atOnce: number): Lane => ({
      schedule: new CheckSchedule(settings.check_interval * 1000, Math.random),
      gate: new Gate(atOnce),
    })
    this.#lanes = { bus: lane(BUS_CHECKS_AT_ONCE), http: lane(HTTP_CHECKS_AT_ONCE) }
    this.#heartbeats = new HeartbeatWatch({
      intervalMs: settings.heartbeat_interval * 1000,
      missed: settings.heartbeats_missed,
    })
    this.#verdicts = new Verdicts(parts.healthBucket, parts.publisher)
    this.outbox = new EventOutbox(parts.publisher)
  }

  #laneOf({ type }: Pick<Watched, 'type'>): Lane {
    return type === 'nats' ? this.#lanes.bus : this.#lanes.http
  }

  #scheduleOf(pool: Watched): CheckSchedule<Watched> {
    return this.#laneOf(pool).schedule
  }

  get size(): number {
    return this.#pools.size
  }

  get totalChecks(): number {
    return this.#totalChecks
  }

  /** Heartbeats of registered pools: those that came, times that so many were missed that the pool counts as lost, and pools that are late. */
  get heartbeats(): { heard: number; missed: number; late: number } {
    return { heard: this.#beats, missed: this.#beatsMissed, late: this.#heartbeats.late }
  }

  /** ms since the last heartbeat; null: it sends none, or counts as lost. */
  heartbeatAge({ name }: Watched): number | null {
    return this.#heartbeats.age(name, performance.now())
  }

  get(name: string): Watched | undefined {
    return this.#pools.get(name)
  }

  pools(): IterableIterator<Watched> {
    return this.#pools.values()
  }

  // What the feed tells

  upserted(pool: StoredPool, revision: number): void {
    const now = performance.now()
    const known = this.#pools.get(pool.name)
    if (known && revision <= known.revision) return
    if (!Object.hasOwn(this.#parts.probes, pool.pool_type)) throw new Error('unknown type of pool')
    if (!known) {
      const added = watch(pool, revision, this.#policy, this.#texts)
      this.#pools.set(pool.name, added)
      if (this.#ready) this.#scheduleOf(added).addNew(added, now)
      else this.#scheduleOf(added).addKnown(added, now)
      if (sendsHeartbeats(pool)) this.#heartbeats.beat(pool.name, now)
      this.#adopt(added, now)
      this.#settle(added)
      return
    }
    if (known.registered_at === pool.registered_at) {
      this.#change(known, { ...registrationOf(pool, revision), answersHealth: known.answersHealth }, now)
      return
    }
    const wasHealthy = known.breaker.status === 'healthy'
    this.#change(known, registrationOf(pool, revision), now)
    known.breaker.registeredAgain(pool.health_status, now)
    if (sendsHeartbeats(pool)) this.#heartbeats.beat(pool.name, now)
    else this.#heartbeats.forget(pool.name)
    this.#adopt(known, now)
    if (wasHealthy && known.heapIndex >= 0) this.#scheduleOf(known).addNew(known, now)
    else this.#scheduleOf(known).hurry(known, now)
    this.#settle(known)
  }

  /** A pool that is of another type now may have to be checked in another way. */
  #change(known: Watched, registration: ReturnType<typeof registrationOf>, now: number): void {
    const before = this.#scheduleOf(known)
    Object.assign(known, registration)
    const after = this.#scheduleOf(known)
    if (before === after || known.heapIndex < 0) return
    before.remove(known)
    after.addNew(known, now)
  }

  removed(name: string, revision: number): void {
    const known = this.#pools.get(name)
    if (known && revision <= known.revision) return
    if (known) this.#scheduleOf(known).remove(known)
    this.#pools.delete(name)
    this.#heartbeats.forget(name)
    void this.#verdicts.remove(name)
  }

  health(name: string, health: StoredHealth | null, revision: number): void {
    if (!this.#verdicts.heard(name, health, revision)) return
    const now = performance.now()
    const pool = this.#pools.get(name)
    if (pool && health?.monitor !== this.#id) this.#adopt(pool, now)
    if (pool) this.#settle(pool)
    const telling = health && eventOf(name, health, revision)
    if (telling && Date.now() - Date.parse(health.at) < MISSED_EVENTS_MS) this.outbox.expect(telling, now)
  }

  heartbeat(name: string): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    const now = performance.now()
    this.#beats++
    this.#heartbeats.beat(name, now)
    pool.breaker.beat()
    if (pool.breaker.status === 'unavailable') this.#scheduleOf(pool).hurry(pool, now)
  }

  ready(): void {
    this.#ready = true
    for (const pool of this.#pools.values()) this.#settle(pool)
    for (const name of [...this.#verdicts.names()])
      if (!this.#pools.has(name)) void this.#verdicts.remove(name)
  }

  reported({ pool: name, kind, count }: PoolReport): void {
    const pool = this.#pools.get(name)
    const now = performance.now()
    if (!pool || this.#parts.line.isQuiet(now)) return
    if (kind === 'ok') pool.breaker.runSucceeded()
    else if (kind === 'gone') {
      // However many tasks found nobody there: it is one absence.
      pool.breaker.checkFailed('gone', now)
      this.#scheduleOf(pool).hurry(pool, now)
    } else {
      const before = pool.breaker.status
      pool.breaker.runsFailed(kind, count, now)
      if (pool.breaker.status !== before) this.#scheduleOf(pool).retry(pool, now)
    }
    this.#settle(pool)
  }

  /** We were deaf for a while; see Line. */
  resume(): void {
    this.#heartbeats.resume(performance.now())
  }

  // What we do ourselves

  /** Does what is due. */
  tick(): void {
    const now = performance.now()
    const { line } = this.#parts
    if (line.ticked(now)) this.resume()
    this.outbox.sweep(now)
    if (line.isQuiet(now)) return
    if (this.#writeLaterAt <= now) {
      const again = [...this.#writeLater]
      this.#writeLater.clear()
      for (const pool of again) this.#settle(pool)
    }
    const { late, missed } = this.#heartbeats.sweep(now)
    for (const pool of this.#named(late)) this.#scheduleOf(pool).hurry(pool, now)
    for (const pool of this.#named(missed)) {
      this.#beatsMissed++
      pool.breaker.lost('heartbeats_missed', now)
      this.#settle(pool)
    }
    for (const { schedule, gate } of Object.values(this.#lanes))
      while (gate.free > 0) {
        const due = schedule.takeDue(now)
        if (!due) break
        void this.check(due)
      }
  }

  /** Checks the pool now; whoever asks while a check is under way gets its outcome. Never rejects. */
  check(pool: Watched): Promise<PoolHealth> {
    pool.checking ??= this.#check(pool).finally(() => {
      pool.checking = null
    })
    return pool.checking
  }

  async #check(pool: Watched): Promise<PoolHealth> {
    const { settings, probes, line, log } = this.#parts
    this.#scheduleOf(pool).start(pool, performance.now())
    const { registered_at } = pool
    const onBus = pool.type === 'nats'
    let { epoch } = line
    const finding = await this.#laneOf(pool)
      .gate.run(() => {
        epoch = line.epoch
        return probes[pool.type].check(pool, settings.check_timeout * 1000)
      })
      .catch((error: Error) => {
        log.error({ pool_name: pool.name, err: error }, 'a check failed unexpectedly')
        return { kind: 'inconclusive', error: error.message } as const
      })
    const now = performance.now()
    const heard = !onBus || epoch === line.epoch
    const isCurrent = this.#pools.get(pool.name) === pool
    const counts =
      heard && isCurrent && pool.registered_at === registered_at && finding.kind !== 'inconclusive'
    const healthy = counts
      ? judge(pool, finding, this.#heartbeats.isLate(pool.name), now)
      : pool.unhealthyChecks === 0
    const at = Date.now()
    const report = reportOf(pool, finding, at)
    if (isCurrent) this.#scheduleOf(pool).done(pool, healthy, now)
    if (!counts) return report
    this.#totalChecks++
    pool.history.add({ status: report.status, responseMs: report.response_time, at, error: report.error })
    this.#settle(pool)
    return report
  }

  *#named(names: string[]): Iterable<Watched> {
    for (const name of names) {
      const pool = this.#pools.get(name)
      if (pool) yield pool
    }
  }

  /** Another monitor may have found more than we have. */
  #adopt(pool: Watched, now: number): void {
    const stored = this.#verdicts.get(pool.name)
    if (stored?.registered_at !== pool.registered_at) return
    if (stored.reason === 'reported') pool.answersHealth = true
    const { breaker } = pool
    if (stored.status === breaker.status && (stored.reason === 'flapping') === breaker.flapping) return
    breaker.adopt(stored, now)
  }

  /** Stores the breaker's verdict where it is not stored yet. */
  #settle(pool: Watched): void {
    if (!this.#ready || this.#writing.has(pool.name) || this.#pools.get(pool.name) !== pool) return
    const change = verdictChange(this.#verdicts.get(pool.name), pool, pool.breaker)
    if (!change) return
    const writing = this.#store(pool, change)
      .catch((error: Error) => {
        this.#parts.log.warn({ pool_name: pool.name, err: error }, 'a verdict could not be stored yet')
        return false
      })
      .then((settled) => {
        this.#writing.delete(pool.name)
        if (settled) this.#settle(pool)
        else this.#later(pool)
      })
    this.#writing.set(pool.name, writing)
  }

  /** @returns whether it may be compared again at once; after a failure it has to wait */
  async #store(pool: Watched, change: VerdictChange): Promise<boolean> {
    const { log } = this.#parts
    const { status, reason, previous_status, event } = change
    const health: StoredHealth = {
      status,
      reason,
      at: new Date().toISOString(),
      registered_at: pool.registered_at,
      previous_status: event ? previous_status : null,
      monitor: this.#id,
    }
    const outcome = await this.#verdicts.write(pool.name, health)
    if (outcome.kind === 'stored') {
      const telling = eventOf(pool.name, health, outcome.revision)
      if (telling) this.outbox.tell(telling, performance.now())
      log[status === 'healthy' ? 'info' : 'warn'](
        { pool_name: pool.name, status, reason, previous_status },
        status === 'healthy' ? 'pool recovered' : 'pool unhealthy',
      )
      // Deregistered meanwhile: nothing may stay behind.
      if (!this.#pools.has(pool.name)) await this.#verdicts.remove(pool.name)
      return true
    }
    if (outcome.kind === 'lost') {
      const entry = await this.#verdicts.refresh(pool.name)
      this.health(pool.name, entry.health, entry.revision)
    }
    return false
  }

  #later(pool: Watched): void {
    if (this.#writeLater.size === 0) this.#writeLaterAt = performance.now() + RETRY_WRITE_MS
    this.#writeLater.add(pool)
  }

  /** Resolves when no verdict is being written. */
  async quiet(): Promise<void> {
    this.#ready = false
    await Promise.all(this.#writing.values())
  }
}

/** Pools of the worker package always do, so the first one that does not come is missed too. */
const sendsHeartbeats = ({ metadata }: StoredPool): boolean =>
  isJsonObject(metadata['poolmesh']) && typeof metadata['poolmesh']['instance'] === 'string'
