// What `npm run bench -- --check` calls a loss of speed.
import { expect, test } from 'vitest'
import { compared, ratiosOf } from '../bench/compare/released.ts'
import type { Row } from '../bench/compare/rounds.ts'

const row = (system: string, name: string, tasksPerSecond: number): Row => ({
  system,
  row: name,
  tasks: 1,
  rounds: [{ tasksPerSecond, cpuMicrosPerTask: 1, use: {} }],
})

test('rows count against the floor and a peer of their own run; what was not measured is in no ratio', () => {
  const rows = [
    row('poolmesh', 'submitMany', 60_000),
    row('poolmesh', '500 callers of submit', 30_000),
    row('floor', 'submitMany', 120_000),
    row('bullmq', 'the same job', 10_000),
    row('bullmq', 'as it is', 20_000),
  ]
  expect(ratiosOf({ rows, latency: {}, submit: {} })).toEqual({
    'submitMany, against the floor': 0.5,
    'submitMany, against bullmq': 6,
    '500 callers of submit, against the floor': 0.25,
    '500 callers of submit, against bullmq': 3,
  })
  expect(ratiosOf({ rows: rows.slice(0, 2), latency: {}, submit: {} })).toEqual({})
})

test('a fifth may be lost, and not more', () => {
  const released = { a: 1, b: 1, c: 1 }
  expect(compared({ a: 0.81, b: 0.79 }, released)).toEqual([
    { what: 'a', now: 0.81, released: 1, hasFallen: false },
    { what: 'b', now: 0.79, released: 1, hasFallen: true },
  ])
})
