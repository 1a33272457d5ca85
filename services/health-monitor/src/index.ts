// The health monitor as a service. Any number may run: they agree through the verdicts' revisions.
import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { KubernetesHealth } from '@poolmesh/adapters'
import {
  followPools,
  maxPayload,
  Publisher,
  type ServiceContext,
  type StartService,
  serve,
} from '@poolmesh/bus'
import { BUCKETS, INTERNAL, isJsonObject, SUBJECTS } from '@poolmesh/types'
import { BusProbe } from './bus-probe.ts'
import { healthEndpoints } from './endpoints.ts'
import { HttpProbe } from './http-probe.ts'
import { KubernetesProbe } from './kubernetes-probe.ts'
import { Line } from './line.ts'
import { monitorMetrics } from './metrics.ts'
import { storedEventIds } from './missed-events.ts'
import { HealthMonitor, MISSED_EVENTS_MS } from './monitor.ts'
import { readReport } from './reports.ts'

export const startHealthMonitor: StartService = async (context) => {
  const owned = new AsyncDisposableStack()
  try {
    await start(context, owned)
  } catch (error) {
    await owned.disposeAsync()
    throw error
  }
  return owned
}

async function start(
  { nc, settings, log, metrics }: ServiceContext,
  owned: AsyncDisposableStack,
): Promise<void> {
  const { check_interval, heartbeat_interval } = settings.poolmesh
  const kvm = new Kvm(nc)
  const [jsm, poolBucket, healthBucket] = await Promise.all([
    jetstreamManager(nc),
    kvm.open(BUCKETS.pools),
    kvm.open(BUCKETS.health),
  ])
  const publisher = owned.use(new Publisher(nc))
  const closing = new AbortController()
  owned.defer(() => closing.abort())
  // Ten looks an interval keep the deadlines, and the longest pause is unnoticed by people.
  const tickMs = Math.max(5, Math.min(100, (Math.min(check_interval, heartbeat_interval) * 1000) / 10))
  const line = new Line({
    settleMs: check_interval * 1000,
    stallMs: Math.max(5 * tickMs, Math.min(1_000, heartbeat_interval * 400)),
    now: performance.now(),
  })
  const http = new HttpProbe({
    path: '/health',
    closing: closing.signal,
    headers: settings.poolmesh.http_headers,
  })
  const monitor = new HealthMonitor({
    settings: settings.poolmesh,
    probes: {
      nats: new BusProbe(nc, jsm),
      mahavishnu: http,
      session_buddy: http,
      kubernetes: new KubernetesProbe(
        owned.use(new KubernetesHealth(settings.poolmesh.kubeconfig)),
        new HttpProbe({ path: '/healthz', closing: closing.signal }),
        closing.signal,
      ),
    },
    publisher,
    healthBucket,
    line,
    log,
  })
  owned.defer(() => monitor.quiet())

  let malformed = 0
  const onMalformed = (subject: string): void => {
    malformed++
    log.debug({ subject, malformed }, 'a message that makes no sense was skipped')
  }
  const listen = (subject: string, hear: (text: string) => boolean): void => {
    const subscription = nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error && !hear(message.string())) onMalformed(subject)
      },
    })
    owned.defer(() => subscription.unsubscribe())
  }
  const hearEvent = (text: string): boolean => {
    const id = eventIdIn(text)
    if (id !== null) monitor.outbox.heard(id, performance.now())
    return id !== null
  }
  listen(SUBJECTS.poolUnhealthy, hearEvent)
  listen(SUBJECTS.poolRecovered, hearEvent)

  owned.use(await followPools(nc, monitor, onMalformed))
  if (monitor.outbox.size > 0)
    for await (const id of storedEventIds(nc, new Date(Date.now() - MISSED_EVENTS_MS - 60_000)))
      monitor.outbox.heard(id, performance.now())

  listen(INTERNAL.poolReport, (text) => {
    const report = readReport(text)
    if (report) monitor.reported(report)
    return report !== null
  })
  metrics?.source(monitorMetrics(monitor, () => malformed))
  void line.follow(nc, () => monitor.resume()).catch(() => {})
  const timer = setInterval(() => monitor.tick(), tickMs)
  owned.defer(() => clearInterval(timer))
  owned.use(
    await serve(nc, {
      name: 'poolmesh-health-monitor',
      description: 'Checks pools, keeps their circuit breakers, and tells when their health changes',
      log,
      endpoints: healthEndpoints({
        monitor,
        poolBucket,
        checkInterval: check_interval,
        maxReply: () => maxPayload(nc),
      }),
    }),
  )
  log.info({ pools: monitor.size, check_interval }, 'watching the health of the pools')
}

function eventIdIn(text: string): string | null {
  try {
    const event: unknown = JSON.parse(text)
    return isJsonObject(event) && typeof event['event_id'] === 'string' ? event['event_id'] : null
  } catch {
    return null
  }
}
