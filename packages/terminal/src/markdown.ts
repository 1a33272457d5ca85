// The same columns as a table of GitHub's Markdown, to be pasted into an issue or a report.
import { markdownTable } from 'markdown-table'
import stringWidth from 'string-width'
import { oneLine } from './plain.ts'
import type { Column } from './table.ts'

/** What Markdown, or HTML in it, would obey instead of show. */
const SPECIAL = /[\\`*[\]|~]/g
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Nothing is cut: who reads it scrolls. */
export const formatMarkdown = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string =>
  `${markdownTable(
    [
      columns.map(({ title }) => title),
      ...rows.map((row) => columns.map((column) => escaped(oneLine(column.value(row))))),
    ],
    { align: columns.map(({ align }) => (align === 'right' ? 'r' : null)), stringLength: stringWidth },
  )}\n`

/** For rows that come one by one: nothing is aligned, since what is still to come is not known. */
export function formatMarkdownLines<Row>(columns: readonly Column<Row>[]): {
  titles: string
  line(row: Row): string
} {
  const format = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return {
    titles:
      format(columns.map(({ title }) => title)) +
      format(columns.map(({ align }) => (align === 'right' ? '-:' : '-'))),
    line: (row) => format(columns.map(({ value }) => escaped(oneLine(value(row))))),
  }
}

const escaped = (text: string): string =>
  text.replace(SPECIAL, '\\$&').replace(/[&<>]/g, (character) => ENTITIES[character] ?? character)
