// Where the time of a task went: one band, and what happened in words below.
import type { Attempt, TimeLine } from '../data/types.ts'
import { milliseconds } from './format.ts'
import { Glyph, StateGlyph, wordOf } from './marks.tsx'
import { Ago, PoolLink, Text } from './parts.tsx'

interface Span {
  name: string
  class: string
  ms: number
}

/** Waiting, earlier tries, the last run, and what is left: storing and telling. All that is known adds up to the total. */
function spansOf({
  queued_ms,
  run_ms,
  total_ms,
}: Pick<TimeLine, 'queued_ms' | 'run_ms' | 'total_ms'>): Span[] {
  const waited = Math.max(0, queued_ms ?? 0)
  const ran = Math.max(0, run_ms ?? 0)
  const rest = total_ms === null ? 0 : Math.max(0, total_ms - waited - ran)
  return [
    { name: 'waited', class: 'wait', ms: waited },
    { name: 'ran', class: 'run', ms: ran },
    { name: 'else', class: 'rest', ms: rest },
  ].filter(({ ms }) => ms > 0)
}

export function TimeBand({ line }: { line: TimeLine }) {
  const spans = spansOf(line)
  if (spans.length === 0)
    return (
      <p class="muted">
        {line.status === 'pending' ? 'It waits.' : 'Too short to be measured, or under way.'}
      </p>
    )
  const words = spans.map(
    ({ name, ms }) => `${name === 'else' ? 'between and after' : name} ${milliseconds(ms)}`,
  )
  const total = spans.reduce((sum, { ms }) => sum + ms, 0)
  return (
    <figure class="times">
      <div class="spans" role="img" aria-label={words.join(', ')}>
        {spans.map((span) => (
          <span key={span.name} class={span.class} style={{ flexGrow: span.ms / total, flexBasis: 0 }} />
        ))}
      </div>
      <figcaption class="small muted">{words.join(' · ')}</figcaption>
    </figure>
  )
}

const isStatus = (outcome: string): boolean => /^[a-z]+$/.test(outcome)

/** Of what went wrong with a task the last so many are kept. */
const KEPT = 20

export function AttemptLine({ line }: { line: TimeLine }) {
  // There may have been others before them, so that nobody knows their numbers.
  const areLast = line.attempts.length > KEPT
  return (
    <ol class="line" aria-label="Time line">
      <li>
        <Glyph shape="ring" tone="quiet" />
        Submitted{' '}
        <span class="muted small">
          <Ago at={line.submitted_at} />
        </span>
      </li>
      {areLast && (
        <li>
          <Glyph shape="ring" tone="quiet" />
          <span class="muted">Of many tries the last {KEPT}, and how it went on</span>
        </li>
      )}
      {line.attempts.map((attempt, index) => (
        <li key={index}>
          <StateGlyph state={isStatus(attempt.outcome) ? attempt.outcome : 'failed'} />
          <AttemptText attempt={attempt} number={areLast ? null : index + 1} />
        </li>
      ))}
      {line.attempts.length === 0 && (line.status === 'pending' || line.status === 'running') && (
        <li>
          <StateGlyph state={line.status} />
          Waits for a pool
        </li>
      )}
      {line.attempts.length === 0 && line.finished_at !== null && (
        <li>
          <StateGlyph state={line.status} />
          {wordOf(line.status)}, with no run of its own
        </li>
      )}
    </ol>
  )
}

const AttemptText = ({ attempt, number }: { attempt: Attempt; number: number | null }) => (
  <>
    <span>
      Attempt{number !== null && ` ${number}`}
      {attempt.pool !== null && (
        <>
          {' on '}
          <PoolLink name={attempt.pool} />
        </>
      )}
      : {isStatus(attempt.outcome) ? wordOf(attempt.outcome).toLowerCase() : <Text>{attempt.outcome}</Text>}
      <AttemptTimes attempt={attempt} />
    </span>
    {attempt.error !== null && (
      <p class="small muted">
        <Text most={400}>{attempt.error}</Text>
      </p>
    )}
  </>
)

/** When it began and how long it took; of one that was not begun, when that was noticed. */
function AttemptTimes({ attempt: { started_at, finished_at } }: { attempt: Attempt }) {
  const at = started_at ?? finished_at
  if (at === null) return null
  const took =
    started_at === null || finished_at === null ? null : Date.parse(finished_at) - Date.parse(started_at)
  return (
    <span class="muted small">
      {started_at === null ? ' ' : ' began '}
      <Ago at={at} />
      {took !== null && ` · ${milliseconds(Math.max(0, took))}`}
    </span>
  )
}
