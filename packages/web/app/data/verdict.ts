// What is wrong, worst first, in sentences: what an operator must see before any number.
import type { Overview, Readiness } from './types.ts'

interface Finding {
  level: 'bad' | 'warn'
  text: string
  /** Where to look; null: nowhere on the page. */
  to: string | null
}
export interface Verdict {
  level: 'good' | 'warn' | 'bad' | 'unknown'
  title: string
  findings: Finding[]
}

const PARTS: Record<string, string> = {
  nats: 'The NATS server does not answer: nothing is stored, and nothing runs.',
  registry: 'The registry does not answer: pools cannot register or be found.',
  executor: 'No executor answers: tasks are stored, and wait.',
  distributor: 'No distributor answers: fan-outs wait. Other tasks run.',
  'health-monitor': 'No health monitor answers: pools are not checked. Tasks run.',
}
const NEEDED = new Set(['nats', 'registry', 'executor'])
/** Of what ends: a share of failures that somebody should look at, and one that is an incident. */
const FAILING = 0.05
const FAILING_BADLY = 0.25

const pools = (count: number): string => (count === 1 ? '1 pool is' : `${count} pools are`)

export function verdictOf(
  overview: Overview | null,
  readiness: Readiness | null,
  reachable: boolean,
): Verdict {
  if (!reachable)
    return {
      level: 'bad',
      title: 'The gateway does not answer',
      findings: [
        {
          level: 'bad',
          text: 'What you see is the last that was known. This page tries again by itself.',
          to: null,
        },
      ],
    }
  if (overview === null) return { level: 'unknown', title: 'Looking …', findings: [] }
  const findings = [...ofParts(readiness), ...ofPools(overview), ...ofTasks(overview)].sort(
    (a, b) => Number(a.level === 'warn') - Number(b.level === 'warn'),
  )
  const level = findings[0]?.level ?? 'good'
  return { level, title: titleOf(level, findings, overview), findings }
}

function titleOf(
  level: 'bad' | 'warn' | 'good',
  findings: Finding[],
  { pools: { total } }: Overview,
): string {
  if (level === 'good') return total === 0 ? 'Ready, but there are no pools' : 'All is well'
  const bad = findings.filter((finding) => finding.level === 'bad').length
  if (level === 'bad') return bad === 1 ? 'Something is broken' : `${bad} things are broken`
  return findings.length === 1 ? 'Works, with one concern' : `Works, with ${findings.length} concerns`
}

const ofParts = (readiness: Readiness | null): Finding[] =>
  Object.entries(readiness?.parts ?? {})
    .filter(([, state]) => state === 'down')
    // Without the broker nobody else can answer either.
    .filter(([name], _, down) => name === 'nats' || !down.some(([other]) => other === 'nats'))
    .map(([name]) => ({
      level: NEEDED.has(name) ? 'bad' : 'warn',
      text: (Object.hasOwn(PARTS, name) ? PARTS[name] : undefined) ?? `${name} does not answer.`,
      to: null,
    }))

function ofPools({ pools: { total, unhealthy, degraded }, slots }: Overview): Finding[] {
  const found: Finding[] = []
  if (unhealthy > 0)
    found.push({
      level: 'bad',
      text: `${pools(unhealthy)} unavailable${unhealthy === total ? ': no task can run' : `, of ${total}`}.`,
      to: '/pools?health=unavailable',
    })
  if (degraded > 0)
    found.push({ level: 'warn', text: `${pools(degraded)} degraded.`, to: '/pools?health=degraded' })
  if (slots.total > 0 && slots.used >= slots.total)
    found.push({
      level: 'warn',
      text: `All ${slots.total} slots are in use: further tasks wait.`,
      to: '/pools',
    })
  return found
}

function ofTasks({ rates: { completed, failed } }: Overview): Finding[] {
  const share = completed + failed === 0 ? 0 : failed / (completed + failed)
  if (share < FAILING) return []
  return [
    {
      level: share >= FAILING_BADLY ? 'bad' : 'warn',
      text: `${Math.round(share * 100)} % of the tasks that end now fail or time out.`,
      to: '/tasks?status=failed',
    },
  ]
}
