import { useState } from 'preact/hooks'
import { ask, query } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { Page, TaskSummary } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { count } from '../parts/format.ts'
import { wordOf } from '../parts/marks.tsx'
import { Loaded } from '../parts/parts.tsx'
import { TaskRows } from '../parts/task-rows.tsx'
import { go, setSearch, Title, usePlace } from '../router.tsx'

const PAGE = 100
/** Tasks on the screen: older ones fall out of the live list. */
const MOST = 300
const STATUSES = ['pending', 'running', 'completed', 'failed', 'timeout', 'cancelled']

export function TasksPage() {
  const { search } = usePlace()
  const status = search.get('status') ?? ''
  const pool = search.get('pool') ?? ''
  const [live, setLive] = useState(true)
  const [omitted, setOmitted] = useState(0)
  const list = useQuery<Page<TaskSummary>>(`tasks${query({ limit: PAGE, status, pool })}`)
  useLive(
    live ? ['tasks'] : [],
    {
      tasks: (data) => {
        const { items, omitted: left } = data as { items: TaskSummary[]; omitted: number }
        setOmitted((n) => n + left)
        const fitting = items.filter(
          (task) => (status === '' || task.status === status) && (pool === '' || task.pool_name === pool),
        )
        if (fitting.length > 0) list.update((page) => ({ ...page, items: merged(fitting, page.items) }))
      },
    },
    list.reload,
  )
  const older = async (cursor: string): Promise<void> => {
    setLive(false)
    const page = await ask<Page<TaskSummary>>(`tasks${query({ limit: PAGE, status, pool, cursor })}`)
    list.update(({ items }) => ({ items: merged(items, page.items, MOST * 10), next: page.next }))
  }
  return (
    <div class="screen">
      <div class="head">
        <div>
          <Title name="Tasks">Tasks</Title>
          <p class="muted">
            Newest first{live ? ', live.' : '.'}
            {omitted > 0 && live && (
              <span class="number">
                {' '}
                {count(omitted)} more ended since you look: the list shows a sample.
              </span>
            )}
          </p>
        </div>
        <div class="actions">
          <button aria-pressed={!live} onClick={() => setLive(!live)}>
            {live ? 'Pause' : 'Go on live'}
          </button>
          <button onClick={list.reload}>Look again</button>
        </div>
      </div>
      <Filters status={status} pool={pool} />
      <Loaded query={list}>
        {({ items, next }) => (
          <>
            {items.length === 0 ? (
              <p class="empty panel">
                {status === '' && pool === '' ? 'No tasks yet.' : 'No task is like that.'}
              </p>
            ) : (
              <TaskRows tasks={items} />
            )}
            {next !== null && items.length < MOST * 10 && (
              <p>
                <button onClick={() => void older(next).catch(() => list.reload())}>Older</button>
              </p>
            )}
          </>
        )}
      </Loaded>
    </div>
  )
}

/** The first list before the second; of two with the same id, the first one's. */
function merged(first: readonly TaskSummary[], then: readonly TaskSummary[], most = MOST): TaskSummary[] {
  const seen = new Set(first.map(({ task_id }) => task_id))
  return [...first, ...then.filter(({ task_id }) => !seen.has(task_id))].slice(0, most)
}

function Filters({ status, pool }: { status: string; pool: string }) {
  const [id, setId] = useState('')
  return (
    <form
      class="filters"
      role="search"
      aria-label="Tasks"
      onSubmit={(event) => {
        event.preventDefault()
        if (id.trim() !== '') go(`/tasks/${encodeURIComponent(id.trim())}`)
      }}
    >
      <label class="search">
        Task id
        <input
          type="search"
          value={id}
          placeholder="the whole id, then Enter"
          maxLength={64}
          onInput={(event) => setId(event.currentTarget.value)}
        />
      </label>
      <label>
        Status
        <select value={status} onChange={(event) => setSearch({ status: event.currentTarget.value })}>
          <option value="">any</option>
          {STATUSES.map((one) => (
            <option key={one} value={one}>
              {wordOf(one)}
            </option>
          ))}
        </select>
      </label>
      <label>
        Pool
        <input
          type="search"
          value={pool}
          placeholder="its whole name"
          maxLength={64}
          onChange={(event) => setSearch({ pool: event.currentTarget.value })}
        />
      </label>
      <button>Find</button>
    </form>
  )
}
