import { connection } from '../data/live.ts'
import { useOverview, useReadiness } from '../data/overview.ts'
import { useStore } from '../data/store.ts'
import type { Overview } from '../data/types.ts'
import { type Verdict, verdictOf } from '../data/verdict.ts'
import { AlertRows } from '../parts/alert-rows.tsx'
import { Chart } from '../parts/chart.tsx'
import { count, milliseconds, percent, rate } from '../parts/format.ts'
import { Glyph, Mark } from '../parts/marks.tsx'
import { Bar, Panel } from '../parts/parts.tsx'
import { Link, Title } from '../router.tsx'

export function OverviewPage() {
  const overview = useOverview()
  const readiness = useReadiness()
  const verdict = verdictOf(overview, readiness, useStore(connection) !== 'away')
  return (
    <div class="screen">
      <VerdictBox verdict={verdict} pools={overview?.pools.total ?? 0} />
      {overview && <Numbers overview={overview} />}
      {overview && <Charts overview={overview} />}
      {overview && (
        <div class="grid">
          <Panel title="Not ended, by lane" aside="what waits or runs" class="third">
            <Backlog backlog={overview.backlog} />
          </Panel>
          <Panel title="Health" aside={<Link to="/pools">all pools</Link>} class="third">
            <HealthCounts overview={overview} parts={readiness?.parts ?? {}} />
          </Panel>
          <Panel title="Last alerts" aside={<Link to="/alerts">all alerts</Link>} class="third">
            <AlertRows alerts={overview.alerts.slice(0, 6)} brief />
          </Panel>
        </div>
      )}
    </div>
  )
}

const SHAPES = { good: 'tick', warn: 'triangle', bad: 'cross', unknown: 'ring' } as const

function VerdictBox({ verdict: { level, title, findings }, pools }: { verdict: Verdict; pools: number }) {
  return (
    <section class={`verdict is-${level}`} aria-labelledby="title">
      <Glyph shape={SHAPES[level]} tone={level === 'unknown' ? 'quiet' : level} />
      <Title name="">{title}</Title>
      {findings.length === 0 && level === 'good' && (
        <p class="muted">
          {pools === 0
            ? 'Start a pool, and tasks go there.'
            : `${pools === 1 ? 'The one pool takes' : `${count(pools)} pools take`} tasks, and every service answers.`}
        </p>
      )}
      {findings.length > 0 && (
        <ul>
          {findings.map(({ level, text, to }) => (
            <li key={text}>
              {findings.length > 1 && (
                <span class="hidden">{level === 'bad' ? 'Broken: ' : 'Concern: '}</span>
              )}
              {to === null ? text : <Link to={to}>{text}</Link>}
            </li>
          ))}
        </ul>
      )}
      <p class="hidden" role="status">
        {title}
      </p>
    </section>
  )
}

function Numbers({
  overview: { rates, latency_ms: latency, queue_ms: queue, slots, tasks },
}: {
  overview: Overview
}) {
  const share = slots.total === 0 ? 0 : slots.used / slots.total
  return (
    <dl class="numbers">
      <div>
        <dt>Completed</dt>
        <dd>
          {rate(rates.completed)} <small>a second</small>
        </dd>
      </div>
      <div>
        <dt>Failed</dt>
        <dd class={rates.failed > 0 ? 'bad' : ''}>
          {rate(rates.failed)} <small>a second</small>
        </dd>
      </div>
      <div>
        <dt>Run time, median</dt>
        <dd>
          {milliseconds(latency.p50)} <small class="second">p99 {milliseconds(latency.p99)}</small>
        </dd>
      </div>
      <div>
        <dt>Wait, median</dt>
        <dd>
          {milliseconds(queue?.p50)} <small class="second">p99 {milliseconds(queue?.p99)}</small>
        </dd>
      </div>
      {tasks && (
        <div>
          <dt>Waiting, running</dt>
          <dd>
            {count(tasks.pending)} <small>and</small> {count(tasks.running)}
          </dd>
        </div>
      )}
      <div>
        <dt>Slots in use</dt>
        <dd>
          {percent(share)}{' '}
          <small>
            {count(slots.used)} of {count(slots.total)}
          </small>
        </dd>
      </div>
    </dl>
  )
}

function Charts({ overview: { history, rates, latency_ms: latency } }: { overview: Overview }) {
  const times = history.map(({ t }) => Date.parse(t) / 1_000)
  return (
    <div class="grid">
      <Panel title="Tasks a second" aside="the last 15 minutes" class="half">
        <Chart
          times={times}
          height={190}
          span={900}
          format={rate}
          summary={`Tasks a second over the last 15 minutes; now ${rate(rates.completed)} completed, ${rate(rates.failed)} failed.`}
          lines={[
            { label: 'completed', ink: 'accent', fill: true, values: history.map((m) => m.completed) },
            { label: 'failed', ink: 'bad', dash: [4, 3], values: history.map((m) => m.failed) },
          ]}
        />
      </Panel>
      <Panel title="Run time" aside="the last 15 minutes" class="half">
        <Chart
          times={times}
          height={190}
          span={900}
          format={milliseconds}
          summary={`Run time over the last 15 minutes; now median ${milliseconds(latency.p50)}, 99th percentile ${milliseconds(latency.p99)}.`}
          lines={[
            { label: 'median', ink: 'accent', values: history.map((m) => m.p50) },
            { label: '99th percentile', ink: 'muted', dash: [4, 3], values: history.map((m) => m.p99) },
          ]}
        />
      </Panel>
    </div>
  )
}

function Backlog({ backlog }: { backlog: Overview['backlog'] }) {
  const most = Math.max(1, ...backlog.map(({ pending }) => pending))
  return (
    <ul class="bars">
      {backlog.map(({ lane, pending }) => (
        <li key={lane}>
          <span>{lane === 'fanout' ? 'fan-out' : lane}</span>
          <Bar share={pending / most} label={`${pending} in lane ${lane}`} full={false} />
          <span class="number right">{count(pending)}</span>
        </li>
      ))}
    </ul>
  )
}

function HealthCounts({
  overview: { pools, executors },
  parts,
}: {
  overview: Overview
  parts: Record<string, 'up' | 'down'>
}) {
  const number = (health: 'healthy' | 'degraded' | 'unavailable'): number =>
    health === 'unavailable' ? pools.unhealthy : pools[health]
  return (
    <ul class="bars counts">
      {(['healthy', 'degraded', 'unavailable'] as const).map((health) => (
        <li key={health}>
          <Link to={`/pools?health=${health}`}>
            <Mark state={health} quiet={number(health) === 0} />
          </Link>
          <span />
          <span class="number right">{count(number(health))}</span>
        </li>
      ))}
      {Object.entries(parts).map(([name, state]) => (
        <li key={name}>
          <span>{name === 'nats' ? 'NATS' : name}</span>
          <span />
          <span class="right">
            {name === 'executor' && executors > 1 && <span class="muted">{executors} × </span>}
            <Mark state={state} />
          </span>
        </li>
      ))}
    </ul>
  )
}
