// The explanation as a picture: all pools as one band by what became of them, then those that were looked at, best first.
import { useState } from 'preact/hooks'
import type { Candidate, Explanation, Verdict } from '../data/types.ts'
import { brief, count, words } from './format.ts'
import { Bar, PoolLink, Text } from './parts.tsx'

const SHOWN = 8
const VERDICTS: { verdict: Verdict; word: string }[] = [
  { verdict: 'chosen', word: 'chosen' },
  { verdict: 'fits', word: 'fit' },
  { verdict: 'full', word: 'full' },
  { verdict: 'unavailable', word: 'unavailable' },
  { verdict: 'unfit', word: 'do not fit' },
]
/** What a score means, and whether a high one is good. */
const SCORES: Record<string, [string, boolean]> = {
  least_loaded: ['load', false],
  round_robin: ['turn', false],
  capability_based: ['capabilities that match', true],
  region_aware: ['nearness', true],
  affinity: ['score', true],
}

/** How many pools each verdict has. Reasons are counted for all pools, candidates are the best fifty only. */
function countsByVerdict({
  candidates,
  counts,
}: Pick<Explanation, 'candidates' | 'counts'>): Map<Verdict, number> {
  const byReason = new Map<string, Verdict>(candidates.map(({ reason, verdict }) => [reason, verdict]))
  const found = new Map<Verdict, number>()
  for (const [reason, pools] of Object.entries(counts)) {
    const verdict = byReason.get(reason) ?? verdictOf(reason)
    found.set(verdict, (found.get(verdict) ?? 0) + pools)
  }
  return found
}

/** Of a reason that no candidate has: those are the worst, or there were fifty better. */
function verdictOf(reason: string): Verdict {
  if (reason.startsWith('fits')) return 'fits'
  if (reason === 'no free slot') return 'full'
  if (/lacks|not the pool/.test(reason)) return 'unfit'
  return 'unavailable'
}

export function Why({ explanation, ranOn }: { explanation: Explanation; ranOn: string | null }) {
  const [all, setAll] = useState(false)
  const { candidates, waiting_for: waiting, strategy, chosen } = explanation
  const byVerdict = countsByVerdict(explanation)
  const bands = VERDICTS.filter(({ verdict }) => (byVerdict.get(verdict) ?? 0) > 0)
  const total = [...byVerdict.values()].reduce((sum, pools) => sum + pools, 0)
  const sentence = bands.map(({ verdict, word }) => `${count(byVerdict.get(verdict)!)} ${word}`).join(', ')
  const shown = candidates.slice(0, all ? candidates.length : SHOWN)
  const scores = candidates.map(({ score }) => score ?? 0)
  const [unit] = (strategy !== null && Object.hasOwn(SCORES, strategy) ? SCORES[strategy] : undefined) ?? [
    'score',
    true,
  ]
  return (
    <div class="why-box">
      {waiting !== null && (
        <p>
          <strong>Waits:</strong> <Text most={400}>{waiting}</Text>
        </p>
      )}
      <p class="small muted">
        {ranOn !== null && (
          <>
            It went to <PoolLink name={ranOn} />.
            {chosen !== null && chosen !== ranOn ? ' Now it would go elsewhere. ' : ' '}
          </>
        )}
        {strategy !== null && `Strategy: ${words(brief(strategy, 40))}. `}
        {total === 0
          ? strategy === null
            ? 'Why is not kept once a task has ended: look while it waits or runs, or ask the form where one like it would go.'
            : 'There are no pools.'
          : `Of ${count(total)} ${total === 1 ? 'pool' : 'pools'}: ${sentence}.`}
      </p>
      {total > 0 && (
        <div class="band" role="img" aria-label={`Pools: ${sentence}`}>
          {bands.map(({ verdict }) => (
            <span
              key={verdict}
              class={`of-${verdict}`}
              style={{ flexGrow: byVerdict.get(verdict)! / total, flexBasis: 0 }}
            />
          ))}
        </div>
      )}
      {total > 0 && (
        <p class="legend" aria-hidden="true">
          {bands.map(({ verdict, word }) => (
            <span key={verdict}>
              <span class={`swatch of-${verdict}`} />
              {word}
            </span>
          ))}
        </p>
      )}
      <ol class="why" aria-label="Pools that were looked at, best first">
        {shown.map((candidate) => (
          <Row key={candidate.pool} candidate={candidate} most={Math.max(1, ...scores)} unit={unit} />
        ))}
      </ol>
      {candidates.length > SHOWN && (
        <button class="plain small" onClick={() => setAll(!all)} aria-expanded={all}>
          {all ? 'Fewer' : `All ${candidates.length}`}
        </button>
      )}
    </div>
  )
}

const Row = ({
  candidate: { pool, verdict, reason, score },
  most,
  unit,
}: {
  candidate: Candidate
  most: number
  unit: string
}) => (
  <li class={verdict === 'chosen' ? 'is-chosen' : ''}>
    <span class={`swatch of-${verdict}`} aria-hidden="true" />
    <PoolLink name={pool} />
    {score === null ? <span /> : <Bar share={score / most} label={`${unit} ${score}`} full={false} />}
    <span class="reason">
      <Text>{reason}</Text>
      {score !== null && (
        <span class="number">
          {' '}
          · {unit} {score}
        </span>
      )}
    </span>
  </li>
)
