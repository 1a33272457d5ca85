// Lists, as whoever asked wants them.
import { type Column, formatMarkdown, formatTable } from '@poolmesh/terminal'
import type { ListOptions } from './options.ts'
import { notice, print, printJson, terminalWidth } from './output.ts'

export interface List<Row> {
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  /** The contract's answer. */
  json: unknown
  /** Told, to people, where there are no rows. */
  nothing: string
  /** Where a list with `--limit` goes on. */
  cursor?: string | null
}

/** The list on standard output; what there is to say beside it, on standard error. */
export function printList<Row>(options: Pick<ListOptions, 'format'>, list: List<Row>): void {
  const { columns, rows, cursor = null } = list
  if (options.format === 'json') {
    printJson(list.json)
    return
  }
  if (rows.length === 0) notice(list.nothing)
  else if (options.format === 'markdown') print(formatMarkdown(columns, rows))
  else print(formatTable(columns, rows, terminalWidth()))
  if (cursor !== null) notice(`there are more: --cursor ${cursor} goes on`)
}
