// CSV as a stream of rows, checked for what a table needs: a header without doubles and rows as long as it.
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PoolmeshError } from '@poolmesh/types'
import { CsvError, parse } from 'csv-parse'
import { fileUnder, type Source } from './files.ts'

export interface TableReader {
  /** Called once, before any row. */
  header(columns: string[]): void
  row(cells: string[]): void
}

/**
 * Reads to the end, or until the signal.
 * @param delimiter one character, default a comma
 * @throws PoolmeshError INVALID_INPUT that names the line of the fault
 */
export async function readTable(
  root: string,
  source: Source,
  delimiter: string,
  signal: AbortSignal,
  reader: TableReader,
): Promise<void> {
  const input =
    'text' in source ? Readable.from([source.text]) : createReadStream(await fileUnder(root, source.path))
  const parser = parse({ bom: true, delimiter, skip_empty_lines: true, trim: true })
  let columns: string[] | null = null
  try {
    await pipeline(
      input,
      parser,
      async (rows: AsyncIterable<string[]>) => {
        for await (const cells of rows) {
          if (columns) reader.row(cells)
          else {
            columns = checkHeader(cells)
            reader.header(columns)
          }
        }
      },
      { signal },
    )
  } catch (error) {
    if (error instanceof CsvError)
      throw new PoolmeshError('INVALID_INPUT', `the CSV is broken: ${error.message}`)
    throw error
  }
  if (!columns)
    throw new PoolmeshError('INVALID_INPUT', 'the CSV is empty: it needs a line with the names of columns')
}

function checkHeader(columns: string[]): string[] {
  const twice = columns.find((name, index) => columns.indexOf(name) !== index)
  if (twice !== undefined)
    throw new PoolmeshError('INVALID_INPUT', `the CSV has two columns named ${JSON.stringify(twice)}`)
  return columns
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

/** A cell as a number, or null: empty cells, text, and numbers beyond what a double holds. */
export function numberOf(cell: string): number | null {
  const value = NUMBER.test(cell) ? Number(cell) : Number.NaN
  return Number.isFinite(value) ? value : null
}
