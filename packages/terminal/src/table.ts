// Aligned columns for people. Widths are those of a terminal: a Chinese character takes two columns.
import stringWidth from 'string-width'
import { oneLine } from './plain.ts'
import { wrap } from './wrap.ts'

export interface Column<Row> {
  title: string
  value(row: Row): string
  /** Longer values are cut, with an ellipsis. */
  widest: number
  align?: 'left' | 'right'
  /** It is not narrowed for a narrow terminal: a part of it would say nothing, or could not be copied. */
  whole?: true
}

const INDENT = '  '
const GAP = '  '
/** No column is made narrower than this for a narrow terminal: what is left of it would say nothing. */
const NARROWEST = 6

/**
 * A line of titles, then a line for each row.
 * @param width columns of the terminal; the widest columns of the table are narrowed until it fits, the first one last,
 *   since it says which row it is. Where that is not enough, each row is a block of lines
 * @param narrow `fewer`: the last columns are left out instead, so that a row is always a line
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
  narrow: 'blocks' | 'fewer' = 'blocks',
): string {
  const titles = columns.map((column) => column.title)
  const values = rows.map((row) => columns.map((column) => cut(oneLine(column.value(row)), column.widest)))
  const cells = [titles, ...values]
  const wanted = columns.map((_, i) => widestOf(cells.map((line) => line[i] ?? '')))
  const least = leastOf(columns, wanted)
  if (!fits(least, width)) {
    if (narrow === 'fewer' && columns.length > 1)
      return formatTable(columns.slice(0, -1), rows, width, narrow)
    return formatBlocks(titles, values, width)
  }
  const widths = narrowed(wanted, least, width - INDENT.length)
  return cells
    .map((line) =>
      line
        .map((cell, i) => pad(cut(cell, widths[i] ?? 0), widths[i] ?? 0, columns[i]?.align))
        .join(GAP)
        .trimEnd(),
    )
    .map((line) => `${INDENT}${line}\n`)
    .join('')
}

/**
 * For rows that come one by one: each column is as wide as it may be.
 * @param width columns of the terminal: where it is narrow, the last columns are left out; undefined: nothing is cut
 */
export function formatLines<Row>(
  all: readonly Column<Row>[],
  width?: number,
): { titles: string; line(row: Row): string } {
  let columns = all
  while (
    columns.length > 1 &&
    !fits(leastOf(columns, columns.map(usualWidth)), width ?? Number.POSITIVE_INFINITY)
  )
    columns = columns.slice(0, -1)
  const wanted = columns.map(usualWidth)
  const least = leastOf(columns, wanted)
  const widths = narrowed(wanted, least, (width ?? Number.POSITIVE_INFINITY) - INDENT.length)
  const format = (cells: readonly string[]): string => {
    const line = cells.map((cell, i) => {
      const own = widths[i] ?? 0
      return pad(width === undefined ? cell : cut(cell, own), own, columns[i]?.align)
    })
    return `${INDENT}${line.join(GAP).trimEnd()}\n`
  }
  return {
    titles: format(columns.map(({ title }) => title)),
    line: (row) => format(columns.map(({ value }) => oneLine(value(row)))),
  }
}

const usualWidth = <Row>({ title, widest }: Column<Row>): number => Math.max(stringWidth(title), widest)

/**
 * Names with their values, one a line. Values that are null are left out; they may be longer than a line.
 * @param width columns of the terminal; undefined: no line is broken
 */
export function formatFields(
  fields: readonly (readonly [name: string, value: string | null])[],
  width?: number,
): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null)
  const widest = Math.max(...shown.map(([name]) => stringWidth(name)))
  const indent = ' '.repeat(widest + GAP.length)
  return shown
    .map(([name, value]) => `${wrap(`${pad(name, widest)}${GAP}${oneLine(value)}`, width, indent)}\n`)
    .join('')
}

/** Names and values below each other, for a terminal that no table fits on. */
function formatBlocks(titles: readonly string[], rows: readonly string[][], width: number): string {
  const widest = widestOf(titles)
  const line = (value: string, i: number): string =>
    `${cut(`${INDENT}${pad(titles[i] ?? '', widest)}${GAP}${value}`, width)}\n`
  return rows.map((values) => values.map(line).join('')).join('\n')
}

const widestOf = (texts: readonly string[]): number =>
  texts.reduce((widest, text) => Math.max(widest, stringWidth(text)), 0)

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length)

const leastOf = (columns: readonly { whole?: true }[], wanted: readonly number[]): number[] =>
  wanted.map((each, i) => (columns[i]?.whole ? each : Math.min(each, NARROWEST)))

const fits = (least: readonly number[], width: number): boolean => INDENT.length + totalOf(least) <= width

function narrowed(wanted: readonly number[], least: readonly number[], width: number): number[] {
  const widths = [...wanted]
  while (totalOf(widths) > width) {
    // How wide each is that may still give way; the first one gives way last.
    const free = widths.map((each, i) => (i > 0 && each > (least[i] ?? 0) ? each : 0))
    const widest = Math.max(...free)
    const narrower = widest > 0 ? free.lastIndexOf(widest) : 0
    if (narrower === 0 && (widths[0] ?? 0) <= (least[0] ?? 0)) break
    widths[narrower] = (widths[narrower] ?? 0) - 1
  }
  return widths
}

function cut(text: string, widest: number): string {
  if (stringWidth(text) <= widest) return text
  let kept = ''
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment)
    if (width > widest - 1) break
    kept += segment
  }
  return `${kept}…`
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - stringWidth(text)))
  return align === 'right' ? space + text : text + space
}
