import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { salesCsv } from '../../data/make-sales.ts'
import { GroupBy } from '../src/group-by.ts'
import { Statistics } from '../src/statistics.ts'
import { numberOf, readTable, type TableReader } from '../src/table.ts'

const never = new AbortController().signal
const read = (text: string, reader: TableReader, delimiter = ','): Promise<void> =>
  readTable('/nowhere', { text }, delimiter, never, reader)

test('statistics of a column with a known answer', async () => {
  const statistics = new Statistics()
  await read('n,name,one,x\n2,a,,1\n4,b,7,\n4,c,,y\n4,d,,\n5,e,,\n5,f,,\n7,g,,\n9,h,,\n', statistics)
  expect(statistics.result()).toEqual({
    rows: 8,
    columns: {
      n: { count: 8, missing: 0, mean: 5, median: 4.5, stddev: expect.closeTo(2.13809, 5), min: 2, max: 9 },
      one: { count: 1, missing: 7, mean: 7, median: 7, stddev: null, min: 7, max: 7 },
    },
    not_numeric: ['name', 'x'],
  })
})

test('the spread of large numbers that are close together is not lost', async () => {
  const statistics = new Statistics()
  await read('n\n1000000004\n1000000007\n1000000013\n1000000016\n', statistics)
  expect(statistics.result().columns['n']).toMatchObject({ mean: 1_000_000_010, stddev: Math.sqrt(30) })
})

test('groups have sums, averages and counts', async () => {
  const groups = new GroupBy(
    ['region', 'kind'],
    [
      { op: 'sum', column: 'units' },
      { op: 'avg', column: 'units' },
      { op: 'count', column: 'note' },
    ],
  )
  await read(
    'region;kind;units;note\nwest;a;1;x\neast;"b;c";10;\nwest;a;3;\nwest;b;;y\n__proto__;a;5;\n',
    groups,
    ';',
  )
  expect(groups.result()).toEqual({
    rows: 5,
    groups: [
      {
        key: Object.fromEntries([
          ['region', '__proto__'],
          ['kind', 'a'],
        ]),
        rows: 1,
        values: { sum_units: 5, avg_units: 5, count_note: 0 },
      },
      {
        key: { region: 'east', kind: 'b;c' },
        rows: 1,
        values: { sum_units: 10, avg_units: 10, count_note: 0 },
      },
      { key: { region: 'west', kind: 'a' }, rows: 2, values: { sum_units: 4, avg_units: 2, count_note: 1 } },
      {
        key: { region: 'west', kind: 'b' },
        rows: 1,
        values: { sum_units: 0, avg_units: null, count_note: 1 },
      },
    ],
  })
})

test.each([
  ['', 'is empty'],
  ['a,a\n1,2\n', 'two columns named "a"'],
  ['a,b\n1,2\n1,2,3\n', 'line 3'],
  ['a,b\n"1,2\n', 'broken'],
])('a table that is none is refused: %j', async (text, message) => {
  await expect(read(text, new Statistics())).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining(message),
  })
})

test('a column that is not there is refused with those that are', async () => {
  await expect(read('a,b\n1,2\n', new GroupBy(['c'], []))).rejects.toThrow('no column "c"; it has a, b')
})

test('more groups than an output should have are refused', async () => {
  const rows = Array.from({ length: 10_001 }, (_, i) => i).join('\n')
  await expect(read(`id\n${rows}\n`, new GroupBy(['id'], []))).rejects.toThrow('more than 10000 groups')
})

test('reading stops when the task is cancelled', async () => {
  const controller = new AbortController()
  const reader: TableReader = { header: () => controller.abort(new Error('enough')), row: () => {} }
  const text = `a\n${'1\n'.repeat(100_000)}`
  await expect(readTable('/nowhere', { text }, ',', controller.signal, reader)).rejects.toThrow()
})

test.each([
  ['1', 1],
  ['-2.50', -2.5],
  ['+.5e3', 500],
  ['', null],
  ['1,000', null],
  ['0x10', null],
  ['Infinity', null],
  ['1e999', null],
  ['12 days', null],
])('the cell %j is the number %j', (cell, value) => {
  expect(numberOf(cell)).toBe(value)
})

test('the sales are what their program makes', async () => {
  const file = join(import.meta.dirname, '..', '..', 'data', 'sales.csv')
  expect(await readFile(file, 'utf8')).toBe(salesCsv())
})
