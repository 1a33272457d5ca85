import { expect, test } from 'vitest'
import {
  type Column,
  formatFields,
  formatLines,
  formatMarkdown,
  formatMarkdownLines,
  formatTable,
  oneLine,
  plain,
  wrap,
} from '../src/index.ts'

interface Row {
  name: string
  count: number
}
const COLUMNS: Column<Row>[] = [
  { title: 'name', value: (row) => row.name, widest: 12 },
  { title: 'count', value: (row) => String(row.count), widest: 6, align: 'right' },
]
const lines = (text: string): string[] => text.split('\n').slice(0, -1)

test('columns are aligned, and as wide as what is in them', () => {
  const rows = [
    { name: 'one', count: 7 },
    { name: 'three', count: 1000000 },
  ]
  expect(lines(formatTable(COLUMNS, rows))).toEqual(['  name    count', '  one         7', '  three  10000…'])
})

test('characters count as wide as a terminal shows them', () => {
  const rows = [
    { name: '漢字', count: 1 },
    { name: '👩‍👩‍👧‍👦漢字漢字漢字', count: 2 },
    { name: 'e\u0301', count: 3 },
  ]
  expect(lines(formatTable(COLUMNS, rows))).toEqual([
    '  name         count',
    '  漢字             1',
    '  👩‍👩‍👧‍👦漢字漢字…      2',
    '  e\u0301                3',
  ])
})

test('a narrow terminal narrows the first column last, and no column to nothing', () => {
  const rows = [{ name: 'a-long-name', count: 1 }]
  expect(lines(formatTable(COLUMNS, rows, 18))).toEqual(['  name       count', '  a-long-n…      1'])
  const turned = COLUMNS.toReversed()
  expect(lines(formatTable(turned, rows, 18))).toEqual(['  count  name', '      1  a-long-n…'])
  const three = [...COLUMNS, { title: 'more', value: () => 'some-more', widest: 20 }]
  expect(lines(formatTable(three, rows, 30))).toEqual([
    '  name         count  more',
    '  a-long-name      1  some-mo…',
  ])
})

test('where no table fits, each row is a block', () => {
  const rows = [
    { name: 'a-long-name', count: 1 },
    { name: '漢字', count: 2 },
  ]
  expect(lines(formatTable(COLUMNS, rows, 14))).toEqual([
    '  name   a-lo…',
    '  count  1',
    '',
    '  name   漢字',
    '  count  2',
  ])
})

test('rows that come one by one are cut for a terminal, and whole elsewhere', () => {
  const row = { name: 'a-very-long-name', count: 12345678 }
  const piped = formatLines(COLUMNS)
  expect(piped.titles + piped.line(row)).toBe('  name           count\n  a-very-long-name  12345678\n')
  expect(formatLines(COLUMNS, 20).line(row)).toBe('  a-very-lo…  12345…\n')
  const narrow = formatLines(COLUMNS, 12)
  expect(narrow.titles + narrow.line(row)).toBe('  name\n  a-very-lo…\n')
})

test('fields are aligned, and those without a value left out', () => {
  expect(
    formatFields([
      ['a', '1'],
      ['none', null],
      ['long', 'x\ny'],
    ]),
  ).toBe('a     1\nlong  x y\n')
})

test('nothing of what others wrote is obeyed by a terminal', () => {
  expect(plain('a\u001b[31m\u009b\u202e\u0007b\tc\nd')).toBe('a\\u{1b}[31m\\u{9b}\\u{202e}\\u{7}b\tc\nd')
  expect(oneLine(' a\r\n\tb\u0000 ')).toBe('a b\\u{0}')
})

test('as Markdown nothing is cut, and nothing in a cell is markup', () => {
  const rows = [
    { name: '漢字', count: 7 },
    { name: 'a|b `c` *d* <img src=x> & [e](f) \\', count: 1000000 },
    { name: 'two\nlines \u001b[31m', count: 2 },
  ]
  const [titles, rule, wide, hostile, control] = lines(formatMarkdown(COLUMNS, rows))
  expect(titles).toMatch(/^\| name +\| +count \|$/)
  expect(rule).toMatch(/^\| -+ \| -+: \|$/)
  expect(wide).toMatch(/^\| 漢字 +\| +7 \|$/)
  expect(wide).toHaveLength((titles?.length ?? 0) - 2)
  expect(hostile).toBe('| a\\|b \\`c\\` \\*d\\* &lt;img src=x&gt; &amp; \\[e\\](f) \\\\ | 1000000 |')
  expect(control).toMatch(/^\| two lines \\\\u\{1b\}\\\[31m +\| +2 \|$/)
})

test('rows of Markdown that come one by one are whole, and nothing in a cell is markup', () => {
  const { titles, line } = formatMarkdownLines(COLUMNS)
  expect(titles).toBe('| name | count |\n| - | -: |\n')
  expect(line({ name: 'a|b\nc', count: 12 })).toBe('| a\\|b c | 12 |\n')
})

test('a column that is whole does not give way: the others do, and then each row is a block', () => {
  const columns: Column<Row>[] = [
    { title: 'name', value: (row) => row.name, widest: 20 },
    { title: 'state', value: () => 'unavailable', widest: 11, whole: true },
  ]
  const rows = [{ name: 'a-long-name', count: 1 }]
  expect(lines(formatTable(columns, rows, 22))).toEqual(['  name     state', '  a-long…  unavailable'])
  expect(lines(formatTable(columns, rows, 20))).toEqual(['  name   a-long-name', '  state  unavailable'])
  expect(lines(formatTable(columns, rows, 20, 'fewer'))).toEqual(['  name', '  a-long-name'])
})

test('long lines end between words, wide characters too, and a word that fits nowhere is not cut', () => {
  expect(wrap('one two three', 8)).toBe('one two\nthree')
  expect(wrap('  7  one two three', 10, '     ')).toBe('  7  one\n     two\n     three')
  expect(wrap('漢字 漢字 x', 8)).toBe('漢字\n漢字 x')
  expect(wrap('see averylongword', 8)).toBe('see\naverylongword')
  expect(wrap('one two three', undefined)).toBe('one two three')
})
