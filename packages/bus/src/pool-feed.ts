// Keeps a service's own pool table up to date: registrations and health from the KV buckets, live load from heartbeats.
import { type KvEntry, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { BUCKETS, type HealthStatus, heartbeatSchema, type PoolDescriptor } from '@poolmesh/types'

/** What the registry keeps of a pool. */
export type StoredPool = PoolDescriptor & { registered_at: string; draining?: boolean }

/** What the health monitor found; `registered_at` says of which registration. */
export interface StoredHealth {
  status: HealthStatus
  reason: string
  at: string
  registered_at: string
  /** The status that listeners knew before; null where the change was not told as an event. */
  previous_status?: HealthStatus | null
  /** The monitor that wrote it. */
  monitor?: string
}

export interface PoolListener {
  /** `revision` only grows with each change of that pool. */
  upserted?(pool: StoredPool, revision: number): void
  removed?(name: string, revision: number): void
  health?(name: string, health: StoredHealth | null, revision: number): void
  heartbeat?(name: string, currentWorkers: number, queueSize: number): void
  /** Everything that was stored at the start has been told. */
  ready?(): void
}

/**
 * Tells the listener all that is stored, then every change, and resolves once the first part is done. A message that
 * makes no sense is skipped and counted by `onMalformed`.
 */
export async function followPools(
  nc: NatsConnection,
  listener: PoolListener,
  onMalformed: (subject: string) => void = () => {},
): Promise<AsyncDisposable> {
  const kvm = new Kvm(nc)
  const [pools, health] = await Promise.all([kvm.open(BUCKETS.pools), kvm.open(BUCKETS.health)])
  const stops: (() => void)[] = []

  const follow = async (bucket: typeof pools, apply: (entry: KvEntry) => void): Promise<void> => {
    let begun = (): void => {}
    const initial = new Promise<void>((resolve) => {
      begun = resolve
    })
    // An empty bucket never reports that it has been read.
    const status = await bucket.status()
    const watch = await bucket.watch()
    stops.push(() => watch.stop())
    if (status.values === 0) begun()
    void (async () => {
      for await (const entry of watch) {
        try {
          apply(entry)
        } catch {
          onMalformed(`$KV.${entry.bucket}.${entry.key}`)
        }
        // True from the last of what was stored at the start.
        if (entry.isUpdate) begun()
      }
    })().catch(() => {})
    await initial
  }

  if (listener.heartbeat) {
    const subscription = nc.subscribe('pool.heartbeat.*', {
      callback: (error, message) => {
        if (error) return
        const beat = heartbeatOf(message.string())
        if (beat)
          listener.heartbeat?.(
            message.subject.slice('pool.heartbeat.'.length),
            beat.current_workers,
            beat.queue_size,
          )
        else onMalformed(message.subject)
      },
    })
    stops.push(() => subscription.unsubscribe())
  }
  await follow(pools, (entry) => {
    if (entry.operation === 'PUT') listener.upserted?.(entry.json<StoredPool>(), entry.revision)
    else listener.removed?.(entry.key, entry.revision)
  })
  await follow(health, (entry) =>
    listener.health?.(
      entry.key,
      entry.operation === 'PUT' ? entry.json<StoredHealth>() : null,
      entry.revision,
    ),
  )
  listener.ready?.()
  return {
    async [Symbol.asyncDispose]() {
      for (const stop of stops.splice(0)) stop()
    },
  }
}

function heartbeatOf(text: string): { current_workers: number; queue_size: number } | null {
  try {
    const parsed = heartbeatSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
