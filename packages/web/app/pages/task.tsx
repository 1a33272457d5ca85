import { useState } from 'preact/hooks'
import { ApiError, ask, part } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { Explanation, TaskState, TimeLine } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { Confirm } from '../parts/dialog.tsx'
import { milliseconds } from '../parts/format.ts'
import { Mark } from '../parts/marks.tsx'
import { Ago, Fact, Loaded, Panel, PoolLink, Problem, Source, Text } from '../parts/parts.tsx'
import { AttemptLine, TimeBand } from '../parts/time-line.tsx'
import { Why } from '../parts/why.tsx'
import { Link, Title } from '../router.tsx'

const isOver = (status: string): boolean => status !== 'pending' && status !== 'running'

export function TaskPage({ id }: { id: string }) {
  const path = `tasks/${part(id)}`
  const task = useQuery<TaskState>(path)
  const line = useQuery<TimeLine>(`${path}/attempts`)
  const why = useQuery<Explanation>(`${path}/explain`)
  const reload = (): void => {
    task.reload()
    line.reload()
    why.reload()
  }
  useLive(task.data && isOver(task.data.status) ? [] : [`task:${id}`], { [`task:${id}`]: reload }, reload)
  const state = task.data
  const isFanOut = state?.result?.output != null && Array.isArray(state.result.output['branches'])
  return (
    <div class="screen">
      <div class="head">
        <div>
          <p class="small">
            <Link to="/tasks">Tasks</Link>
          </p>
          <Title name={`Task ${id}`}>
            <span class="mono">
              <Text>{id}</Text>
            </span>
          </Title>
        </div>
        {state && (
          <div class="actions">
            {(isFanOut || state.result?.metadata['fan_out'] === true) && (
              <Link to={`/fanouts/${part(id)}`} class="button">
                Branches
              </Link>
            )}
            {!isOver(state.status) && <Cancel id={id} done={reload} />}
          </div>
        )}
      </div>
      <Loaded query={task}>{(data) => <Facts task={data} line={line.data} />}</Loaded>
      {state && (
        <div class="grid">
          <Panel title="Where the time went" class="half">
            <Loaded query={line}>
              {(data) => (
                <>
                  <TimeBand line={data} />
                  <AttemptLine line={data} />
                </>
              )}
            </Loaded>
          </Panel>
          {!isFanOut && (
            <Panel
              title="Why this pool"
              class="half"
              aside={isOver(state.status) ? 'as the pools are now' : 'now'}
            >
              <Loaded query={why}>
                {(data) => <Why explanation={data} ranOn={state.result?.pool_name ?? state.pool_name} />}
              </Loaded>
            </Panel>
          )}
          {state.result && (
            <Panel title="Output" class="half">
              {state.result.output === null ? (
                <p class="muted">None.</p>
              ) : (
                <Source value={state.result.output} label="Output" />
              )}
            </Panel>
          )}
          {state.result && (
            <Panel title="Metadata" class="half">
              <Source value={state.result.metadata} label="Metadata" />
            </Panel>
          )}
        </div>
      )}
    </div>
  )
}

function Facts({ task, line }: { task: TaskState; line: TimeLine | null }) {
  const reason = task.result?.metadata['reason']
  return (
    <section class="panel" aria-label="Facts">
      <dl class="facts">
        <Fact name="Status">
          <Mark state={task.status} />
        </Fact>
        <Fact name="Pool">{task.pool_name === null ? 'none' : <PoolLink name={task.pool_name} />}</Fact>
        <Fact name="Submitted">
          <Ago at={task.submitted_at} />
        </Fact>
        <Fact name="In all" class="number">
          {milliseconds(line?.total_ms)}
        </Fact>
        <Fact name="Attempts" class="number">
          {line?.attempts.length ?? task.attempt}
        </Fact>
        {typeof reason === 'string' && (
          <Fact name="Reason" class="mono">
            <Text>{reason}</Text>
          </Fact>
        )}
      </dl>
      {task.result?.error != null && (
        <div class="error-text">
          <h2>Error</h2>
          <Source value={task.result.error} label="Error" />
        </div>
      )}
    </section>
  )
}

function Cancel({ id, done }: { id: string; done: () => void }) {
  const [asking, setAsking] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const cancel = (): void => {
    ask(`tasks/${part(id)}`, { method: 'DELETE' }).then(done, (caught: unknown) => {
      if (caught instanceof ApiError) setError(caught)
    })
  }
  return (
    <>
      {error && <Problem error={error} />}
      <button class="danger" onClick={() => setAsking(true)}>
        Cancel …
      </button>
      {asking && (
        <Confirm
          title="Cancel this task?"
          text="It ends cancelled. A pool that runs it is asked to stop."
          action="Cancel the task"
          confirm={cancel}
          close={() => setAsking(false)}
        />
      )}
    </>
  )
}
