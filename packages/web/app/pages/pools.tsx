import { useMemo } from 'preact/hooks'
import { type PoolFilter, useAllPools } from '../data/all-pools.ts'
import { count } from '../parts/format.ts'
import { Mark } from '../parts/marks.tsx'
import { LoadBar, PoolLink, Problem, Text } from '../parts/parts.tsx'
import { useNarrow } from '../parts/use-narrow.ts'
import { VirtualRows } from '../parts/virtual-rows.tsx'
import { setSearch, Title, usePlace } from '../router.tsx'

const COLUMNS = ['Pool', 'Health', 'Load', 'Waiting', 'Kind', 'Region', 'Capabilities']

export function PoolsPage() {
  const { search } = usePlace()
  const filter: PoolFilter = {
    q: search.get('q') ?? '',
    kind: search.get('kind') ?? '',
    region: search.get('region') ?? '',
    capability: search.get('capability') ?? '',
    health: search.get('health') ?? '',
  }
  const { pools, shown, choices, error, loading, truncated, reload } = useAllPools(filter)
  const narrow = useNarrow()
  const row = useMemo(() => poolRow(narrow), [narrow])
  return (
    <div class="screen">
      <div class="head">
        <div>
          <Title name="Pools">Pools</Title>
          <p class="muted number" role="status">
            {loading && pools === 0
              ? 'Loading …'
              : shown.length === pools
                ? `${count(pools)} in all`
                : `${count(shown.length)} of ${count(pools)}`}
            {truncated && ', the first of more: search by name'}
          </p>
        </div>
      </div>
      <Filters filter={filter} choices={choices} />
      {error && <Problem error={error} retry={reload} />}
      {!loading && shown.length === 0 && !error ? (
        <p class="empty panel">{pools === 0 ? 'There are no pools yet.' : 'No pool is like that.'}</p>
      ) : (
        <div class="tall">
          <VirtualRows
            items={shown}
            keyOf={(pool) => pool.name}
            label="Pools"
            columns={narrow ? COLUMNS.slice(0, 4) : COLUMNS}
            layout="pool-row"
            rowHeight={narrow ? 68 : 44}
            row={row}
          />
        </div>
      )}
    </div>
  )
}

const poolRow = (narrow: boolean) => (pool: import('../data/types.ts').Pool) => (
  <>
    <span role="cell" class="cut name">
      <PoolLink name={pool.name} />
    </span>
    <span role="cell">
      {pool.draining === true ? (
        <Mark state="cancelled" label="Draining" />
      ) : (
        <Mark state={pool.health_status} />
      )}
    </span>
    <span role="cell" class="load">
      <LoadBar used={pool.current_workers} total={pool.max_workers} />
      <span class="number small muted">
        {count(pool.current_workers)}/{count(pool.max_workers)}
      </span>
    </span>
    <span role="cell" class="number waiting">
      {narrow && pool.queue_size > 0 && <span class="muted small">waiting </span>}
      {narrow && pool.queue_size === 0 ? '' : count(pool.queue_size)}
    </span>
    {!narrow && (
      <>
        <span role="cell" class="cut muted">
          {pool.pool_type.replace('_', ' ')}
        </span>
        <span role="cell" class="cut muted">
          <Text most={60}>{pool.region ?? '–'}</Text>
        </span>
        <span role="cell" class="cut muted small">
          <Text most={120}>{pool.capabilities.slice(0, 12).join(', ')}</Text>
        </span>
      </>
    )}
  </>
)

function Filters({
  filter,
  choices,
}: {
  filter: PoolFilter
  choices: Record<'kind' | 'region' | 'capability', string[]>
}) {
  return (
    <form class="filters" role="search" aria-label="Pools" onSubmit={(event) => event.preventDefault()}>
      <label class="search">
        Name
        <input
          type="search"
          value={filter.q}
          placeholder="a part of the name"
          maxLength={128}
          onInput={(event) => setSearch({ q: event.currentTarget.value })}
        />
      </label>
      {(['kind', 'region', 'capability'] as const).map((field) => (
        <Choice key={field} field={field} value={filter[field]} choices={choices[field]} />
      ))}
      <Choice field="health" value={filter.health} choices={['healthy', 'degraded', 'unavailable']} />
    </form>
  )
}

function Choice({ field, value, choices }: { field: string; value: string; choices: string[] }) {
  return (
    <label>
      {field[0]?.toUpperCase() + field.slice(1)}
      <select value={value} onChange={(event) => setSearch({ [field]: event.currentTarget.value })}>
        <option value="">any</option>
        {(value === '' || choices.includes(value) ? choices : [value, ...choices]).map((choice) => (
          <option key={choice} value={choice}>
            <Plain>{choice}</Plain>
          </option>
        ))}
      </select>
    </label>
  )
}

/** In an option no element may be. */
const Plain = ({ children }: { children: string }) => (
  <>{children.length > 60 ? `${children.slice(0, 60)}…` : children}</>
)
