import { useState } from 'preact/hooks'
import { part } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { Status } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { count, milliseconds, words } from '../parts/format.ts'
import { Mark, toneOf, wordOf } from '../parts/marks.tsx'
import { Ago, Bar, Fact, Loaded, Panel, PoolLink, Text } from '../parts/parts.tsx'
import { Link, Title } from '../router.tsx'

interface Branch {
  task_id: string
  pool: string | null
  status: Status
  duration: number | null
  error: string | null
  decided: boolean
}
interface Tree {
  task_id: string
  status: Status
  aggregation: string | null
  decided_by: string[]
  counts: Record<string, number>
  branches: Branch[]
  submitted_at: string | null
  finished_at: string | null
  error: string | null
}

const SHOWN = 100

export function FanOutPage({ id }: { id: string }) {
  const tree = useQuery<Tree>(`fanouts/${part(id)}`)
  const over = tree.data !== null && tree.data.status !== 'pending' && tree.data.status !== 'running'
  useLive(
    over ? [] : [`task:${id}`, 'tasks'],
    { [`task:${id}`]: tree.reload, tasks: tree.reload },
    tree.reload,
  )
  return (
    <div class="screen">
      <div class="head">
        <div>
          <p class="small">
            <Link to="/tasks">Tasks</Link>
          </p>
          <Title name={`Fan-out ${id}`}>
            Fan-out{' '}
            <span class="mono">
              <Text>{id}</Text>
            </span>
          </Title>
        </div>
        <div class="actions">
          <Link to={`/tasks/${part(id)}`} class="button">
            As a task
          </Link>
        </div>
      </div>
      <Loaded query={tree}>
        {(data) => (
          <>
            <Summary tree={data} />
            <Panel title="Branches" aside={inAll(data)}>
              <Branches tree={data} />
            </Panel>
          </>
        )}
      </Loaded>
    </div>
  )
}

/** While a fan-out runs, the list has the first of many branches; the counts are of all. */
function inAll({ branches, counts }: Tree): string {
  const all = Object.values(counts).reduce((sum, number) => sum + number, 0)
  return branches.length < all
    ? `the first ${count(branches.length)} of ${count(all)}`
    : `${count(all)} in all`
}

const Summary = ({ tree }: { tree: Tree }) => (
  <section class="panel" aria-label="Facts">
    <dl class="facts">
      <Fact name="Status">
        <Mark state={tree.status} />
      </Fact>
      <Fact name="Decision">{tree.aggregation === null ? 'open' : words(tree.aggregation)}</Fact>
      <Fact name="Branches" class="number">
        {Object.entries(tree.counts)
          .filter(([, number]) => number > 0)
          .map(([status, number]) => `${count(number)} ${wordOf(status).toLowerCase()}`)
          .join(', ') || 'none yet'}
      </Fact>
      <Fact name="Submitted">
        <Ago at={tree.submitted_at} />
      </Fact>
    </dl>
    {tree.branches.length > 12 && <Strip branches={tree.branches} />}
    {tree.error !== null && (
      <p class="bad error-text">
        <Text most={600}>{tree.error}</Text>
      </p>
    )}
  </section>
)

/** Of many branches each is a tick: those that failed are short as well as red. */
function Strip({ branches }: { branches: Branch[] }) {
  const width = 1_000 / branches.length
  return (
    <svg
      class="strip"
      viewBox="0 0 1000 56"
      preserveAspectRatio="none"
      role="img"
      aria-label="Branches at a glance"
    >
      {branches.map(({ task_id, status }, index) => {
        const tone = toneOf(status)
        const height = tone === 'bad' ? 26 : tone === 'warn' ? 36 : status === 'completed' ? 56 : 14
        return (
          <rect
            key={task_id}
            x={index * width}
            y={56 - height}
            width={Math.max(0.5, width * 0.72)}
            height={height}
            fill="currentColor"
            class={tone === 'good' ? 'active' : tone}
          />
        )
      })}
    </svg>
  )
}

function Branches({ tree }: { tree: Tree }) {
  const [shown, setShown] = useState(SHOWN)
  const longest = Math.max(0.001, ...tree.branches.map(({ duration }) => duration ?? 0))
  if (tree.branches.length === 0) return <p class="muted">No branch has begun.</p>
  return (
    <div class="tree">
      <p>
        <Mark state={tree.status} label={`The task: ${wordOf(tree.status).toLowerCase()}`} />
      </p>
      <ul aria-label="Branches">
        {tree.branches.slice(0, shown).map((branch) => (
          <li key={branch.task_id}>
            <div class={branch.decided ? 'branch decided' : 'branch'}>
              <Mark state={branch.status} />
              {branch.pool === null ? <span class="muted">no pool</span> : <PoolLink name={branch.pool} />}
              <Bar
                share={(branch.duration ?? 0) / longest}
                full={false}
                label={`ran ${milliseconds(branch.duration === null ? null : branch.duration * 1_000)}`}
              />
              <span class="number small right">
                {milliseconds(branch.duration === null ? null : branch.duration * 1_000)}
                {branch.decided && <span class="hidden">, decided the outcome</span>}
              </span>
              {branch.error !== null && (
                <span class="error muted">
                  <Text most={300}>{branch.error}</Text>
                </span>
              )}
            </div>
          </li>
        ))}
      </ul>
      {tree.branches.some(({ decided }) => decided) && (
        <p class="small muted legend">
          <span>
            <span class="swatch of-decided" aria-hidden="true" /> decided the outcome
          </span>
        </p>
      )}
      {tree.branches.length > shown && (
        <button onClick={() => setShown(shown + 500)}>
          More: {count(tree.branches.length - shown)} are left
        </button>
      )}
    </div>
  )
}
