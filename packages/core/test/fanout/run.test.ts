import type { Aggregation, DistributedTaskResult } from '@poolmesh/types'
import { fanOutOutputSchema, ID_PATTERN, parseTask, resultSchema } from '@poolmesh/types'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { branchId, branchPrinter, FanOutRun, type FanOutTask, resultOf } from '../../src/fanout/index.ts'

function taskOf(aggregation: Aggregation, fanOut: object = {}, fields: object = {}): FanOutTask {
  const parsed = parseTask({
    task_id: 'parent',
    task_type: 'test',
    payload: { n: 1 },
    fan_out: { pools: 'all', aggregation, ...fanOut },
    ...fields,
  })
  if (!parsed.ok) throw parsed.error
  return parsed.task as FanOutTask
}

const runOf = (task: FanOutTask, pools: number): FanOutRun =>
  new FanOutRun(task, {
    pools: Array.from({ length: pools }, (_, i) => `pool-${i}`),
    submittedAt: 1_000,
    maxOutputBytes: 1_000_000,
  })

const ended = (
  id: string,
  status: DistributedTaskResult['status'],
  output: DistributedTaskResult['output'] = null,
): DistributedTaskResult => ({
  task_id: id,
  pool_name: 'whoever',
  status,
  output,
  error: status === 'completed' ? null : 'boom',
  duration: 0.5,
  metadata: {},
})

describe('branch ids', () => {
  test('are ids, and differ, for every parent id', () => {
    fc.assert(
      fc.property(fc.stringMatching(ID_PATTERN), fc.nat(9_999), fc.nat(9_999), (parent, i, j) => {
        expect(branchId(parent, i)).toMatch(ID_PATTERN)
        expect(branchId(parent, i) === branchId(parent, j)).toBe(i === j)
      }),
    )
  })

  test('name the parent while there is room, and are made from its hash where there is none', () => {
    expect(branchId('a'.repeat(60), 7)).toBe(`${'a'.repeat(60)}_f-7`)
    expect(branchId('a'.repeat(61), 7)).toMatch(/^f[A-Za-z0-9_-]{22}-7$/)
    expect(branchId('a'.repeat(61), 7)).not.toBe(branchId('b'.repeat(61), 7))
  })
})

test('a branch is its parent, bound to one pool, without what concerns the parent alone', () => {
  const parent = taskOf(
    'all_success',
    {},
    {
      timeout: 7,
      queue_timeout: 9,
      max_attempts: 3,
      priority: 70,
      not_before: '2026-01-01T00:00:00Z',
      metadata: { traceparent: 't', branch: 'mine' },
      required_capabilities: ['a'],
      unknown: { kept: true },
    },
  )
  const run = runOf(parent, 2)
  const branch = JSON.parse(branchPrinter(parent)(run.branches[1] as FanOutRun['branches'][0]))
  expect(branch).toEqual({
    task_id: 'parent_f-1',
    pool: 'pool-1',
    task_type: 'test',
    payload: { n: 1 },
    required_capabilities: ['a'],
    routing_strategy: 'least_loaded',
    timeout: 7,
    queue_timeout: 9,
    max_attempts: 3,
    idempotent: false,
    priority: 70,
    metadata: { traceparent: 't', parent_id: 'parent', branch: 1 },
    unknown: { kept: true },
  })
})

describe('a run', () => {
  const aggregations = fc.constantFrom<Aggregation>('first_success', 'all_success', 'majority', 'quorum')

  test('submits each branch once, in order, never more than max_parallel, and keeps every outcome', () => {
    fc.assert(
      fc.property(
        aggregations,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(
          fc.tuple(fc.nat(), fc.constantFrom('completed', 'failed', 'timeout', 'cancelled'), fc.nat(2)),
        ),
        fc.option(fc.nat(12), { nil: undefined }),
        (aggregation, pools, maxParallel, events, cancelAt) => {
          const run = runOf(taskOf(aggregation, { max_parallel: maxParallel }), pools)
          const submitted: number[] = []
          const start = () => submitted.push(...run.start(2_000).map((branch) => branch.index))
          start()
          for (const [n, [pick, status, output]] of events.entries()) {
            if (n === cancelAt) run.cancel('enough', 3_000)
            const out = run.outstanding()
            if (run.phase === 'open') expect(out.length).toBeLessThanOrEqual(maxParallel)
            const branch = out[pick % Math.max(1, out.length)]
            if (branch)
              run.settle(ended(branch.id, status, status === 'completed' ? { output } : null), 2_500)
            if (run.phase !== 'open') break
            start()
          }
          // Whoever drives it settles the losers.
          while (run.phase !== 'closed') {
            for (const branch of run.outstanding())
              run.settle(
                run.decidedAt === null ? ended(branch.id, 'failed') : run.cancelledBranch(branch),
                4_000,
              )
            start()
          }
          expect(submitted).toEqual([...submitted.keys()])
          expect(run.start(5_000)).toEqual([])
          const result = resultSchema.parse(resultOf(run, 5_000))
          const output = fanOutOutputSchema.parse(result.output)
          expect(output.branches.map((branch) => branch.task_id)).toEqual(
            run.branches.map((branch) => branch.id),
          )
          expect(result.status === 'completed').toBe(result.error === null)
          if (run.cancelledBecause !== null) expect(result.status).toBe('cancelled')
        },
      ),
    )
  })

  test('takes no outcome twice, and none of a stranger', () => {
    const run = runOf(taskOf('all_success'), 2)
    run.start(2_000)
    expect(run.settle(ended('stranger', 'completed'), 2_000)).toBe(false)
    expect(run.settle(ended('parent_f-0', 'completed', { a: 1 }), 2_000)).toBe(true)
    expect(run.settle(ended('parent_f-0', 'failed'), 2_000)).toBe(false)
    expect(run.branches[0]?.result?.status).toBe('completed')
  })

  test('that is taken over starts only what is neither stored nor pending', () => {
    const run = runOf(taskOf('all_success', { max_parallel: 3 }), 4)
    run.recover()
    expect(run.start(2_000)).toEqual([])
    run.recovered(['parent_f-0'], [{ result: ended('parent_f-2', 'completed') }], 2_000)
    expect(run.start(2_000).map((branch) => branch.index)).toEqual([1, 3])
    expect(run.outstanding().map((branch) => branch.index)).toEqual([0, 1, 3])
  })

  test('that is taken over keeps the outcome of every branch, whichever decided', () => {
    const run = runOf(taskOf('first_success'), 4)
    run.recover()
    // Told before it is known what was begun.
    expect(run.settle(ended('parent_f-0', 'completed'), 2_000)).toBe(false)
    expect(run.phase).toBe('open')
    run.recovered(['parent_f-2'], [{ result: ended('parent_f-1', 'failed') }], 2_000)
    expect(run.phase).toBe('closing')
    expect(run.branches.map(({ state, result }) => result?.status ?? state)).toEqual([
      'completed',
      'failed',
      'submitted',
      'cancelled',
    ])
    expect(run.outstanding().map(({ index }) => index)).toEqual([2])
  })

  test('with a quorum of more branches than there are fails before anything starts', () => {
    const run = runOf(taskOf('quorum', { quorum: 5 }), 3)
    expect(run.start(2_000)).toEqual([])
    expect(run.phase).toBe('closed')
    expect(resultOf(run, 2_000)).toMatchObject({
      status: 'failed',
      error: 'the quorum is 5, but there are only 3 pools that fit',
      duration: 0,
      metadata: { reason: 'QUORUM_UNREACHABLE', attempts: 0, branch_counts: { cancelled: 3 } },
    })
  })

  test('has a result that says who decided, what came of each branch, and how long it took', () => {
    const run = runOf(taskOf('first_success', { max_parallel: 2 }), 3)
    run.start(1_250)
    run.settle(ended('parent_f-0', 'failed'), 1_500)
    run.start(1_500)
    run.settle(ended('parent_f-2', 'completed', { won: true }), 2_000)
    expect(run.phase).toBe('closing')
    run.settle(run.cancelledBranch(run.outstanding()[0] as FanOutRun['branches'][0]), 2_100)
    expect(run.phase).toBe('closed')
    expect(resultOf(run, 2_200)).toMatchObject({
      task_id: 'parent',
      pool_name: 'pool-2',
      status: 'completed',
      error: null,
      duration: 0.75,
      output: {
        aggregation: 'first_success',
        decided_by: ['pool-2'],
        value: { won: true },
        branches: [
          { status: 'failed' },
          { status: 'cancelled', metadata: { reason: 'CANCELLED' } },
          { status: 'completed' },
        ],
      },
      metadata: {
        attempts: 1,
        queued_ms: 250,
        submitted_at: '1970-01-01T00:00:01.000Z',
        started_at: '1970-01-01T00:00:01.250Z',
        branch_ids: ['parent_f-0', 'parent_f-1', 'parent_f-2'],
        branch_counts: { failed: 1, cancelled: 1, completed: 1 },
      },
    })
  })

  test.each([
    ['all_success', ['completed', 'failed', 'timeout'], '2 of 3 branches failed: pool-1: boom; pool-2: boom'],
    ['first_success', ['failed'], '1 of 1 branch failed: pool-0: boom'],
    [
      'majority',
      ['completed', 'completed', 'failed'],
      'no output was given by more than half of 3 branches: 2 succeeded with 2 different outputs, 1 failed: pool-2: boom',
    ],
    [
      'quorum',
      ['completed', 'failed', 'failed'],
      '2 of 3 branches failed, so the quorum of 2 cannot be reached: pool-1: boom; pool-2: boom',
    ],
  ] as const)('of %s that fails says what failed', (aggregation, statuses, error) => {
    const run = runOf(taskOf(aggregation), statuses.length)
    run.start(2_000)
    for (const [i, status] of statuses.entries())
      run.settle(ended(`parent_f-${i}`, status, status === 'completed' ? { i } : null), 2_000)
    expect(resultOf(run, 2_000).error).toBe(error)
  })

  test('leaves out outputs beyond its bounds, with a mark, and compares them all the same', () => {
    const run = new FanOutRun(taskOf('majority'), {
      pools: ['a', 'b', 'c'],
      submittedAt: 0,
      maxOutputBytes: 100,
    })
    run.start(0)
    run.settle(ended('parent_f-0', 'completed', { x: 2 }), 0, 90)
    run.settle(ended('parent_f-1', 'completed', { x: 1 }), 0, 90)
    run.settle(ended('parent_f-2', 'completed', { x: 1 }), 0, 5)
    const output = fanOutOutputSchema.parse(resultOf(run, 0).output)
    expect(output).toMatchObject({ decided_by: ['b', 'c'], value: { x: 1 } })
    expect(output.branches[1]).toMatchObject({
      status: 'completed',
      output: null,
      metadata: { output_omitted: true },
    })
  })

  test('compares outputs in the object store by what they hold', () => {
    const run = runOf(taskOf('majority'), 3)
    run.start(0)
    const large = (i: number, sha256: string) => ({
      ...ended(`parent_f-${i}`, 'completed'),
      output_ref: { sha256 },
    })
    run.settle(large(0, 'one'), 0)
    run.settle(large(1, 'two'), 0, 0, 'same')
    run.settle(large(2, 'three'), 0, 0, 'same')
    expect(resultOf(run, 0)).toMatchObject({
      status: 'completed',
      output: { decided_by: ['pool-1', 'pool-2'], value: null, value_ref: { sha256: 'two' } },
    })
  })
})
