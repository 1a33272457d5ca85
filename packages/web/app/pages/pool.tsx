import { useState } from 'preact/hooks'
import { ApiError, ask, part, query } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { Check, Page, Pool, TaskSummary } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { Chart } from '../parts/chart.tsx'
import { Confirm } from '../parts/dialog.tsx'
import { clock, count, milliseconds } from '../parts/format.ts'
import { Mark, wordOf } from '../parts/marks.tsx'
import { Ago, Fact, LoadBar, Loaded, Panel, Problem, Said, Source, Text } from '../parts/parts.tsx'
import { TaskRows } from '../parts/task-rows.tsx'
import { Link, Title } from '../router.tsx'

export function PoolPage({ name }: { name: string }) {
  const path = `pools/${part(name)}`
  const pool = useQuery<Pool>(path)
  const checks = useQuery<{ checks: Check[] }>(`${path}/checks${query({ limit: 100 })}`)
  const tasks = useQuery<Page<TaskSummary>>(`${path}/tasks${query({ limit: 25 })}`)
  const [gone, setGone] = useState(false)
  useLive(
    [`pool:${name}`, 'alerts'],
    {
      [`pool:${name}`]: (data) => {
        const { pool: now } = data as { pool: Pool | null }
        setGone(now === null)
        if (now) pool.update(() => now)
      },
      alerts: checks.reload,
    },
    pool.reload,
  )
  return (
    <div class="screen">
      <div class="head">
        <div>
          <p class="small">
            <Link to="/pools">Pools</Link>
          </p>
          <Title name={name}>
            <Text>{name}</Text>
          </Title>
        </div>
        {pool.data && !gone && <Actions name={name} done={checks.reload} />}
      </div>
      {gone && <p class="problem">This pool is gone: it was taken out, or its process ended.</p>}
      <Loaded query={pool}>{(data) => <Facts pool={data} />}</Loaded>
      {pool.data && (
        <div class="grid">
          <Panel title="Health checks" aside="time to answer" class="half">
            <Loaded query={checks}>{({ checks: list }) => <Checks checks={list} />}</Loaded>
          </Panel>
          <Panel title="What ended here lately" aside="newest first" class="half">
            <Loaded query={tasks}>
              {({ items }) =>
                items.length === 0 ? (
                  <p class="muted">Nothing that is still kept.</p>
                ) : (
                  <TaskRows tasks={items} brief />
                )
              }
            </Loaded>
            <button class="plain small" onClick={tasks.reload}>
              Look again
            </button>
          </Panel>
          {Object.keys(pool.data.metadata).length > 0 && (
            <Panel title="Metadata">
              <Source value={pool.data.metadata} label="Metadata" />
            </Panel>
          )}
        </div>
      )}
    </div>
  )
}

function Actions({ name, done }: { name: string; done: () => void }) {
  const [asking, setAsking] = useState(false)
  const [said, setSaid] = useState('')
  const [error, setError] = useState<ApiError | null>(null)
  const act = async (what: () => Promise<string>): Promise<void> => {
    setError(null)
    try {
      setSaid(await what())
      done()
    } catch (caught) {
      if (caught instanceof ApiError) setError(caught)
    }
  }
  const check = async (): Promise<string> => {
    const { status, response_time: time } = await ask<Check>(`pools/${part(name)}/check`, { method: 'POST' })
    return `${wordOf(status)}${time === null ? ', no answer' : `, answered in ${milliseconds(time)}`}`
  }
  const drain = async (): Promise<string> => {
    await ask(`pools/${part(name)}${query({ drain: 'true' })}`, { method: 'DELETE' })
    return 'It gets no more tasks, and is gone when its last one ends.'
  }
  return (
    <div class="actions">
      <Said>{said}</Said>
      {error && <Problem error={error} />}
      <button onClick={() => void act(check)}>Check now</button>
      <button class="danger" onClick={() => setAsking(true)}>
        Drain …
      </button>
      {asking && (
        <Confirm
          title="Drain this pool?"
          text={`${name} gets no more tasks, and is taken out when its last one ends. A pool that still runs can register again.`}
          action="Drain it"
          confirm={() => void act(drain)}
          close={() => setAsking(false)}
        />
      )}
    </div>
  )
}

const Facts = ({ pool }: { pool: Pool }) => (
  <section class="panel" aria-label="Facts">
    <dl class="facts">
      <Fact name="Health">
        <Mark state={pool.health_status} />
        {pool.draining === true && ' (draining)'}
      </Fact>
      <Fact name="Load">
        <LoadBar used={pool.current_workers} total={pool.max_workers} />
        <span class="number">
          {count(pool.current_workers)} of {count(pool.max_workers)} workers, {count(pool.queue_size)} waiting
          inside
        </span>
      </Fact>
      <Fact name="Kind">{pool.pool_type.replace('_', ' ')}</Fact>
      <Fact name="Region">
        <Text>{pool.region ?? 'none'}</Text>
      </Fact>
      {pool.endpoint != null && (
        <Fact name="Endpoint" class="mono">
          <Text most={300}>{pool.endpoint}</Text>
        </Fact>
      )}
      <div class="full">
        <dt>Capabilities</dt>
        <dd class="chips">
          {pool.capabilities.length === 0 && 'none'}
          {pool.capabilities.map((capability) => (
            <span class="chip" key={capability}>
              <Text most={80}>{capability}</Text>
            </span>
          ))}
        </dd>
      </div>
    </dl>
  </section>
)

function Checks({ checks }: { checks: Check[] }) {
  if (checks.length === 0) return <p class="muted">Not checked yet.</p>
  const last = checks.at(-1)!
  return (
    <>
      <Chart
        times={checks.map((check) => Date.parse(check.last_check) / 1_000)}
        height={150}
        format={milliseconds}
        summary={`The last ${checks.length} checks; the last one: ${last.status}, ${milliseconds(last.response_time)}.`}
        lines={[
          {
            label: 'time to answer',
            ink: 'accent',
            values: checks.map((check) => check.response_time),
            fill: true,
          },
        ]}
      />
      <ol class="alerts brief" aria-label="The last checks, newest first">
        {checks
          .slice(-6)
          .toReversed()
          .map((check) => (
            <li key={check.last_check}>
              <Mark state={check.status} />
              <span class="cut">
                {check.error === null ? (
                  milliseconds(check.response_time)
                ) : (
                  <Text most={160}>{check.error}</Text>
                )}
              </span>
              <span class="small muted right" title={clock(check.last_check)}>
                <Ago at={check.last_check} />
              </span>
            </li>
          ))}
      </ol>
    </>
  )
}
