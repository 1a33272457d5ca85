// An answer that is more than a list: what is true of the whole, then a table.
import { type Column, formatFields, formatMarkdown, formatTable } from '@poolmesh/terminal'
import type { ListOptions } from '../options.ts'

type Field = readonly [name: string, value: string | null]

export interface Answer<Row> {
  /** Those that are null are left out. */
  fields: readonly Field[]
  columns: readonly Column<Row>[]
  /** None: there is no table. */
  rows: readonly Row[]
}

const FIELD_COLUMNS: Column<Field>[] = [
  { title: 'what', value: ([name]) => name, widest: 40 },
  { title: 'is', value: ([, value]) => value ?? '', widest: 200 },
]

/** For people, as a table or as Markdown. @param width columns of the terminal; undefined: as many as are wanted */
export function formatAnswer<Row>(
  { fields, columns, rows }: Answer<Row>,
  format: ListOptions['format'],
  width: number | undefined,
): string {
  const parts =
    format === 'markdown'
      ? [
          formatMarkdown(
            FIELD_COLUMNS,
            fields.filter(([, value]) => value !== null),
          ),
          formatMarkdown(columns, rows),
        ]
      : [formatFields(fields, width), formatTable(columns, rows, width)]
  return (rows.length === 0 ? parts.slice(0, 1) : parts).join('\n')
}
