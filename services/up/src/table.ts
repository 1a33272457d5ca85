export interface Column<Row> {
  title: string
  value(row: Row): string
  /** Longer values are cut, with an ellipsis. */
  widest: number
  align?: 'left' | 'right'
}

/** Aligned columns for people: a line of titles, then a line for each row. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => cut(oneLine(column.value(row)), column.widest))),
  ]
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => (line[i] as string).length)))
  return cells
    .map((line) =>
      line
        .map((cell, i) => pad(cell, widths[i] as number, columns[i]?.align))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join('')
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
const cut = (text: string, widest: number): string =>
  text.length > widest ? `${text.slice(0, widest - 1)}…` : text
const pad = (text: string, width: number, align: 'left' | 'right' = 'left'): string =>
  align === 'right' ? text.padStart(width) : text.padEnd(width)
