import { Aggregation } from '@poolmesh/types'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { majorityOf, type Outcome, Tally } from '../../src/fanout/tally.ts'

/** An outcome as one letter: `x` failed, any other the output of a success. */
type Letter = 'x' | 'a' | 'b' | 'c' | 'd' | 'e'
const LETTERS: Letter[] = ['x', 'a', 'b', 'c', 'd', 'e']
const outcomeOf = (letter: Letter): Outcome =>
  letter === 'x' ? { success: false } : { success: true, digest: letter }

/** The contract's words, read off a full set of outcomes. */
function oracle(aggregation: Aggregation, letters: Letter[], quorum?: number): 'completed' | 'failed' {
  const successes = letters.filter((letter) => letter !== 'x')
  const completed = {
    first_success: successes.length > 0,
    all_success: successes.length === letters.length,
    majority: LETTERS.slice(1).some((a) => letters.filter((b) => a === b).length > letters.length / 2),
    quorum: successes.length >= (quorum ?? majorityOf(letters.length)),
  }[aggregation]
  return completed ? 'completed' : 'failed'
}

/** The statuses in which what has come can still end, over every way in which it can go on. */
function possible(aggregation: Aggregation, came: Letter[], total: number, quorum?: number): Set<string> {
  if (came.length === total) return new Set([oracle(aggregation, came, quorum)])
  const ends = LETTERS.map((next) => possible(aggregation, [...came, next], total, quorum))
  return new Set(ends.flatMap((end) => [...end]))
}

const cases = fc.record({
  aggregation: fc.constantFrom(...Object.values(Aggregation)),
  letters: fc.array(fc.constantFrom(...LETTERS), { minLength: 1, maxLength: 5 }),
  quorum: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
})

describe('a fan-out is decided', () => {
  test('as the oracle says, at the first outcome after which nothing could change it, and never again', () => {
    fc.assert(
      fc.property(cases, ({ aggregation, letters, quorum }) => {
        const tally = new Tally(aggregation, letters.length, quorum)
        for (let n = 0; n <= letters.length; n++) {
          if (n > 0) tally.settle(n - 1, outcomeOf(letters[n - 1] as Letter))
          const ends = possible(aggregation, letters.slice(0, n), letters.length, quorum)
          // all_success waits for all, whatever is certain before.
          const due = aggregation === 'all_success' ? n === letters.length : ends.size === 1
          expect(tally.decision !== null).toBe(due)
          if (tally.decision) expect([...ends]).toEqual([tally.decision.status])
        }
      }),
      { numRuns: 300 },
    )
  })

  test('with the same status and reason in whatever order the outcomes come', () => {
    const shuffled = cases.chain(({ aggregation, letters, quorum }) =>
      fc.record({
        aggregation: fc.constant(aggregation),
        letters: fc.constant(letters),
        quorum: fc.constant(quorum),
        order: fc.shuffledSubarray([...letters.keys()], { minLength: letters.length }),
      }),
    )
    fc.assert(
      fc.property(shuffled, ({ aggregation, letters, quorum, order }) => {
        const straight = new Tally(aggregation, letters.length, quorum)
        const mixed = new Tally(aggregation, letters.length, quorum)
        for (const [i, letter] of letters.entries()) straight.settle(i, outcomeOf(letter))
        for (const i of order) mixed.settle(i, outcomeOf(letters[i] as Letter))
        expect(mixed.decision?.status).toBe(straight.decision?.status)
        expect(mixed.decision?.reason).toBe(straight.decision?.reason)
      }),
    )
  })

  test('once: doubled outcomes, and outcomes that come after it, change nothing', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(...LETTERS), ({ aggregation, letters, quorum }, late) => {
        const once = new Tally(aggregation, letters.length, quorum)
        const doubled = new Tally(aggregation, letters.length, quorum)
        for (const [i, letter] of letters.entries()) {
          once.settle(i, outcomeOf(letter))
          doubled.settle(i, outcomeOf(letter))
          doubled.settle(i, outcomeOf(late))
        }
        expect(doubled.decision).toEqual(once.decision)
      }),
    )
  })

  test('by branches that have what the decision says', () => {
    fc.assert(
      fc.property(cases, ({ aggregation, letters, quorum }) => {
        const tally = new Tally(aggregation, letters.length, quorum)
        letters.forEach((letter, i) => {
          tally.settle(i, outcomeOf(letter))
        })
        const { decision } = tally
        const deciders = (decision?.decidedBy ?? []).map((i) => letters[i])
        if (decision?.status === 'completed') {
          expect(deciders).not.toContain('x')
          expect(deciders.length).toBeGreaterThanOrEqual(tally.needed)
          if (aggregation === 'majority') expect(new Set(deciders).size).toBe(1)
        } else if (aggregation !== 'majority') expect(deciders.every((letter) => letter === 'x')).toBe(true)
      }),
    )
  })
})

test.each([
  ['first_success', 'xxa', undefined, 'completed', null, [2], 2],
  ['first_success', 'xxx', undefined, 'failed', 'NO_SUCCESS', [0, 1, 2], null],
  ['all_success', 'abc', undefined, 'completed', null, [0, 1, 2], null],
  ['all_success', 'axc', undefined, 'failed', 'BRANCH_FAILED', [1], null],
  ['majority', 'aba', undefined, 'completed', null, [0, 2], 0],
  ['majority', 'abc', undefined, 'failed', 'NO_MAJORITY', [0, 1, 2], null],
  // Half is not more than half.
  ['majority', 'aabb', undefined, 'failed', 'NO_MAJORITY', [0, 1, 2, 3], null],
  // Failures count among the branches of which more than half must agree.
  ['majority', 'axxa', undefined, 'failed', 'NO_MAJORITY', [0, 1, 2], null],
  ['quorum', 'axbxc', undefined, 'completed', null, [0, 2, 4], null],
  ['quorum', 'ab', 1, 'completed', null, [0], null],
  ['quorum', 'axx', 2, 'failed', 'QUORUM_UNREACHABLE', [1, 2], null],
  ['quorum', 'aa', 3, 'failed', 'QUORUM_UNREACHABLE', [], null],
] as const)(
  '%s of %s (quorum %s) ends %s, %s',
  (aggregation, letters, quorum, status, reason, decidedBy, winner) => {
    const tally = new Tally(aggregation, letters.length, quorum)
    for (const [i, letter] of [...letters].entries()) tally.settle(i, outcomeOf(letter as Letter))
    expect(tally.decision).toEqual({ status, reason, decidedBy, winner })
  },
)
