import { useState } from 'preact/hooks'
import { ApiError, ask, part, query } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { DeadLetter, DeadSummary, Page } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { Confirm } from '../parts/dialog.tsx'
import { count } from '../parts/format.ts'
import { Ago, Loaded, Panel, PoolLink, Problem, Said, Source, Text } from '../parts/parts.tsx'
import { go, Link, Title } from '../router.tsx'

/** What was done last, and what went wrong with it. */
function useAction(done: () => void) {
  const [said, setSaid] = useState('')
  const [error, setError] = useState<ApiError | null>(null)
  const act = (what: () => Promise<string>): void => {
    setError(null)
    what().then(
      (text) => {
        setSaid(text)
        done()
      },
      (caught: unknown) => {
        if (caught instanceof ApiError) setError(caught)
      },
    )
  }
  return { said, error, act }
}

export function DeadPage() {
  const list = useQuery<Page<DeadSummary>>(`dead${query({ limit: 200 })}`)
  const { said, error, act } = useAction(list.reload)
  const [purging, setPurging] = useState(false)
  // A dead letter is a task that ended failed, too.
  useLive(
    ['tasks'],
    {
      tasks: (data) => {
        if ((data as { items: { reason: string | null }[] }).items.some(({ reason }) => reason === 'POISON'))
          list.reload()
      },
    },
    list.reload,
  )
  const retry = (id: string) => act(async () => `Submitted again as ${(await retryOf(id)).task_id}.`)
  const purge = () =>
    act(async () => {
      const { purged } = await ask<{ purged: number }>('dead:purge', { method: 'POST', body: { all: true } })
      return `${count(purged)} removed.`
    })
  return (
    <div class="screen">
      <div class="head">
        <div>
          <Title name="Dead letters">Dead letters</Title>
          <p class="muted">Tasks that took pool after pool down, and are not tried again by themselves.</p>
        </div>
        {list.data && list.data.items.length > 0 && (
          <div class="actions">
            <button class="danger" onClick={() => setPurging(true)}>
              Remove all …
            </button>
          </div>
        )}
      </div>
      <Said>{said}</Said>
      {error && <Problem error={error} />}
      <Loaded query={list}>
        {({ items, next }) =>
          items.length === 0 ? (
            <p class="empty panel">None. That is how it should be.</p>
          ) : (
            <>
              <Rows items={items} retry={retry} />
              {next !== null && (
                <p class="muted">There are more: these are the first {count(items.length)}.</p>
              )}
            </>
          )
        }
      </Loaded>
      {purging && (
        <Confirm
          title="Remove all dead letters?"
          text="What is known of these tasks is lost. This cannot be taken back."
          action="Remove all"
          confirm={purge}
          close={() => setPurging(false)}
        />
      )}
    </div>
  )
}

const retryOf = (id: string) => ask<{ task_id: string }>(`dead/${part(id)}/retry`, { method: 'POST' })

const Rows = ({ items, retry }: { items: DeadSummary[]; retry: (id: string) => void }) => (
  <div class="rows" role="table" aria-label="Dead letters">
    <div role="rowgroup">
      <div class="row top dead-row" role="row">
        {['Task', 'Type', 'Error', 'When', 'Action'].map((column) => (
          <span role="columnheader" key={column}>
            {column}
          </span>
        ))}
      </div>
    </div>
    <div role="rowgroup">
      {items.map((dead) => (
        <div class="row dead-row" role="row" key={dead.task_id}>
          <span role="cell" class="cut name">
            <Link to={`/dead/${part(dead.task_id)}`} class="mono">
              <Text>{dead.task_id}</Text>
            </Link>
          </span>
          <span role="cell" class="cut">
            <Text most={128}>{dead.task_type}</Text>
          </span>
          <span role="cell" class="cut muted small">
            <Text most={200}>{dead.error ?? dead.reason}</Text>
          </span>
          <span role="cell" class="muted small">
            <Ago at={dead.at} />
          </span>
          <span role="cell">
            <button onClick={() => retry(dead.task_id)} aria-label={`Retry ${dead.task_id}`}>
              Retry
            </button>
          </span>
        </div>
      ))}
    </div>
  </div>
)

export function DeadLetterPage({ id }: { id: string }) {
  const letter = useQuery<DeadLetter>(`dead/${part(id)}`)
  const [purging, setPurging] = useState(false)
  const [again, setAgain] = useState<string | null>(null)
  const { said, error, act } = useAction(() => undefined)
  const retry = () =>
    act(async () => {
      const { task_id } = await retryOf(id)
      setAgain(task_id)
      return 'Submitted again. '
    })
  const purge = () =>
    act(async () => {
      await ask(`dead/${part(id)}`, { method: 'DELETE' })
      go('/dead')
      return 'Removed.'
    })
  return (
    <div class="screen">
      <div class="head">
        <div>
          <p class="small">
            <Link to="/dead">Dead letters</Link>
          </p>
          <Title name={`Dead letter ${id}`}>
            <span class="mono">
              <Text>{id}</Text>
            </span>
          </Title>
        </div>
        {letter.data && (
          <div class="actions">
            <button class="primary" onClick={retry}>
              Retry
            </button>
            <button class="danger" onClick={() => setPurging(true)}>
              Remove …
            </button>
          </div>
        )}
      </div>
      <Said>
        {said}
        {again !== null && <Link to={`/tasks/${part(again)}`}>See the new task</Link>}
      </Said>
      {error && <Problem error={error} />}
      <Loaded query={letter}>{(data) => <Letter letter={data} />}</Loaded>
      {purging && (
        <Confirm
          title="Remove this dead letter?"
          text="What is known of this task is lost. This cannot be taken back."
          action="Remove it"
          confirm={purge}
          close={() => setPurging(false)}
        />
      )}
    </div>
  )
}

const Letter = ({ letter: { task, result, history, at } }: { letter: DeadLetter }) => (
  <div class="grid">
    <Panel title="What went wrong" aside={<Ago at={at} />} class="half">
      <ol class="steps">
        {history.map(({ pool, reason, error, at }, index) => (
          <li key={index}>
            <PoolLink name={pool} />{' '}
            <span class="mono small">
              <Text>{reason}</Text>
            </span>
            {at !== undefined && (
              <span class="muted small">
                {' '}
                <Ago at={at} />
              </span>
            )}
            {error !== undefined && (
              <p class="small muted">
                <Text most={400}>{error}</Text>
              </p>
            )}
          </li>
        ))}
      </ol>
      {result.error !== null && <Source value={result.error} label="Error" />}
    </Panel>
    <Panel title="The task" class="half">
      <Source value={task} label="The task" />
    </Panel>
  </div>
)
