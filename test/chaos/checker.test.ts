// The chaos run's checker, on histories that are written here: each rule notices what breaks it, and nothing else.
import { describe, expect, test } from 'vitest'
import { Checker } from '../../chaos/checker/checker.ts'
import type { Rule } from '../../chaos/checker/model.ts'
import { report } from '../../chaos/checker/report.ts'
import type { Event, ResultLine } from '../../chaos/history/events.ts'

const HEAD: Event = {
  e: 'run',
  seed: 1,
  minutes: 1,
  cluster: false,
  sync: '1s',
  variant: null,
  pools: { pool: 2, jobs: 2 },
  jobs: ['jobs'],
}
const line = (id: string, status = 'completed', reason: string | null = null): ResultLine => [
  id,
  status,
  'pool',
  1,
  reason,
  [],
]
const sub = (m: string, k = 's', alone = true): Event => ({
  e: 'sub',
  m,
  k,
  alone,
  way: 'one',
  by: 'submitter1',
})
const ack = (m: string): Event => ({ e: 'ack', m, by: 'submitter1' })
const begin = (id: string, a = 1): Event => ({ e: 'begin', p: 'pool', id, a })
const end = (id: string, a = 1): Event => ({ e: 'end', p: 'pool', id, a, how: 'done' })
const stored = (q: number, ...r: ResultLine[]): Event => ({ e: 'stored', q, again: false, r })
const final = (q: number, ...r: [string, string][]): Event => ({ e: 'final', q, r })
const calm: Event = { e: 'calm' }
const read: Event = { e: 'read', stored: 0 }

/** The lines happen one millisecond after the other. */
function check(events: Event[]): { checker: Checker; rules: Rule[] } {
  const checker = new Checker()
  for (const [i, event] of [HEAD, ...events].entries()) checker.take({ ...event, t: i })
  checker.finish()
  return { checker, rules: [...checker.counts.keys()] }
}

/** One task, as it should be. */
const GOOD = [
  sub('a'),
  ack('a'),
  begin('a'),
  end('a'),
  stored(1, line('a')),
  calm,
  final(1, ['a', 'completed']),
  read,
]
const without = (...kinds: Event['e'][]): Event[] => GOOD.filter(({ e }) => !kinds.includes(e))

test('a history of what should be has no violations, and a readable report', () => {
  const { checker, rules } = check(GOOD)
  expect(rules).toEqual([])
  expect(report(checker)).toMatch(/tasks acknowledged +1 in 1 messages/)
})

describe('the checker notices', () => {
  test('an acknowledged task without a result', () => {
    expect(check(without('stored', 'final')).rules).toEqual(['lost-result'])
  })
  test('a task of a batch without a result', () => {
    const batch = [sub('b', 'ss', false), ack('b'), stored(2, line('b-0')), final(2, ['b-0', 'completed'])]
    const { checker, rules } = check([...GOOD, ...batch])
    expect(rules).toEqual(['lost-result'])
    expect(checker.violations[0]?.what).toMatch(/^b-1 /)
  })
  test('two results of a task, whether they are the same or not', () => {
    const second = [stored(2, line('a')), final(2, ['a', 'completed'])]
    expect(check([...GOOD, ...second]).rules).toEqual(['two-results'])
  })
  test('a result that the reader did not see', () => {
    expect(check(without('stored')).rules).toEqual(['unseen-result'])
  })
  test('a result that was seen and is not stored any more', () => {
    expect(check(without('final')).rules).toEqual(['unseen-result'])
  })
  test('a result that nobody asked for', () => {
    expect(check(without('sub', 'ack')).rules).toEqual(['no-submission'])
  })
  test('a task that had ended and is pending again, or another, or unknown', () => {
    for (const s of ['pending', 'running', 'failed', 'NOT_FOUND']) {
      const events: Event[] = [
        ...GOOD,
        { e: 'status', id: 'a', from: 20, s: 'completed', a: 1 },
        { e: 'status', id: 'a', from: 30, s, a: 1 },
      ]
      expect(check(events).rules).toEqual(['status-backward'])
    }
  })
  test('an acknowledged task that is unknown', () => {
    const unknown: Event = { e: 'status', id: 'a', from: 2.5, s: 'NOT_FOUND', a: 0 }
    expect(check([...GOOD, unknown]).rules).toEqual(['status-backward'])
  })
  test('a task that was said to be cancelled and completed', () => {
    const cancelled: Event = { e: 'cancelled', id: 'a', ok: true, s: 'cancelled' }
    expect(check([...GOOD, cancelled]).rules).toContain('cancelled-completed')
  })
  test('a submitter that was told something else than what is stored', () => {
    expect(check([...GOOD, { e: 'told', id: 'a', s: 'failed' }]).rules).toEqual(['told-otherwise'])
  })
  test('a task that failed though it was not made to', () => {
    const failed = [stored(1, line('a', 'failed', 'POOL_LOST')), final(1, ['a', 'failed'])]
    expect(check([...without('stored', 'final'), ...failed]).rules).toEqual(['unexpected-end'])
  })
  test('a pool with more runs than slots', () => {
    expect(check([...GOOD, begin('x'), begin('y'), begin('z')]).rules).toEqual(['over-slots'])
  })
  test('a Job of a task whose Job runs, or has completed', () => {
    const job = (id: string, a: number): Event => ({ e: 'begin', p: 'jobs', id, a })
    const done: Event = { e: 'end', p: 'jobs', id: 'j', a: 1, how: 'done' }
    expect(check([...GOOD, job('j', 1), job('j', 2)]).rules).toEqual(['job-again'])
    expect(check([...GOOD, job('j', 1), done, job('j', 2)]).rules).toEqual(['job-again'])
    expect(check([...GOOD, job('j', 1), { ...done, how: 'failed' }, job('j', 1)]).rules).toEqual([
      'job-again',
    ])
  })
  test('a task whose result came later than 60 s after the last fault', () => {
    const checker = new Checker()
    let t = 0
    for (const event of [HEAD, sub('a'), ack('a'), calm]) checker.take({ ...event, t: t++ })
    t += 60_001
    for (const event of [stored(1, line('a')), final(1, ['a', 'completed']), read])
      checker.take({ ...event, t: t++ })
    checker.finish()
    expect([...checker.counts.keys()]).toEqual(['not-drained'])
  })
})

describe('the checker takes no offence at', () => {
  test('messages that the reader is given again', () => {
    expect(check([...GOOD, { e: 'stored', q: 1, again: true, r: [line('a')] }]).rules).toEqual([])
  })
  test('a submission that was never acknowledged and left nothing', () => {
    expect(check([...GOOD, sub('lost')]).rules).toEqual([])
  })
  test('a pool that was killed with full slots and is full again', () => {
    const gone: Event = { e: 'gone', name: 'pool', pid: 1, how: 'SIGKILL', asked: true }
    const full = [begin('x'), begin('y'), gone, begin('x', 2), begin('y', 2)]
    expect(check([...GOOD, ...full]).rules).toEqual([])
  })
  test('a Job of a task whose Job has failed or was stopped', () => {
    const job = (a: number): Event => ({ e: 'begin', p: 'jobs', id: 'j', a })
    const over = (a: number, how: 'failed' | 'stopped'): Event => ({ e: 'end', p: 'jobs', id: 'j', a, how })
    expect(check([...GOOD, job(1), over(1, 'failed'), job(2), over(2, 'stopped'), job(3)]).rules).toEqual([])
  })
  test('a status that was asked for before the task ended', () => {
    const late: Event = { e: 'status', id: 'a', from: 2, s: 'running', a: 1 }
    expect(check([...GOOD, { e: 'told', id: 'a', s: 'completed' }, late]).rules).toEqual([])
  })
})
