// Aligned columns for people. Widths are those of a terminal: a Chinese character takes two columns.
import stringWidth from 'string-width'
import { oneLine } from './plain.ts'

export interface Column<Row> {
  title: string
  value(row: Row): string
  /** Longer values are cut, with an ellipsis. */
  widest: number
  align?: 'left' | 'right'
}

const INDENT = '  '
const GAP = '  '
/** No column is made narrower than this for a narrow terminal: what is left of it would say nothing. */
const NARROWEST = 6

/**
 * A line of titles, then a line for each row.
 * @param width columns of the terminal; the widest columns of the table are narrowed until it fits
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => cut(oneLine(column.value(row)), column.widest))),
  ]
  const wanted = columns.map((_, i) => Math.max(...cells.map((line) => stringWidth(line[i] ?? ''))))
  const widths = narrowed(wanted, width - INDENT.length)
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

/** Names with their values, one a line. Values that are null are left out; they may be longer than a line. */
export function formatFields(fields: readonly (readonly [name: string, value: string | null])[]): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null)
  const widest = Math.max(...shown.map(([name]) => stringWidth(name)))
  return shown.map(([name, value]) => `${pad(name, widest)}${GAP}${oneLine(value)}\n`).join('')
}

function narrowed(wanted: readonly number[], width: number): number[] {
  const widths = [...wanted]
  for (;;) {
    const total = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length)
    const widest = Math.max(...widths)
    if (total <= width || widest <= NARROWEST) return widths
    widths[widths.lastIndexOf(widest)] = widest - 1
  }
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
