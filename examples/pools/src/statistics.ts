import { numberOf, type TableReader } from './table.ts'

export interface ColumnStatistics {
  /** Cells with a number. */
  count: number
  /** Empty cells. */
  missing: number
  mean: number
  median: number
  /** Of a sample (divided by n − 1); null for a single value. */
  stddev: number | null
  min: number
  max: number
}

export interface TableStatistics {
  rows: number
  /** Columns whose every cell is a number or empty. */
  columns: Record<string, ColumnStatistics>
  /** The other columns. */
  not_numeric: string[]
}

interface Column {
  name: string
  values: number[]
  missing: number
  numeric: boolean
}

/** Collects the numeric columns of a table. */
export class Statistics implements TableReader {
  #columns: Column[] = []
  #rows = 0

  header(names: string[]): void {
    this.#columns = names.map((name) => ({ name, values: [], missing: 0, numeric: true }))
  }

  row(cells: string[]): void {
    this.#rows++
    for (const [index, column] of this.#columns.entries()) {
      const cell = cells[index] ?? ''
      if (!column.numeric) continue
      const value = numberOf(cell)
      if (value !== null) column.values.push(value)
      else if (cell === '') column.missing++
      else {
        column.numeric = false
        column.values = []
      }
    }
  }

  result(): TableStatistics {
    const numeric = this.#columns.filter((column) => column.numeric && column.values.length > 0)
    return {
      rows: this.#rows,
      columns: Object.fromEntries(numeric.map((column) => [column.name, describe(column)])),
      not_numeric: this.#columns.filter((column) => !numeric.includes(column)).map((column) => column.name),
    }
  }
}

function describe({ values, missing }: Column): ColumnStatistics {
  const { mean, stddev } = moments(values)
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return {
    count: values.length,
    missing,
    mean,
    median: sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2,
    stddev,
    min: sorted[0] as number,
    max: sorted[sorted.length - 1] as number,
  }
}

/** Welford's method (Technometrics 4 (1962) 419–420): no large sums of squares that cancel each other out. */
function moments(values: number[]): { mean: number; stddev: number | null } {
  let mean = 0
  let squares = 0
  for (const [index, value] of values.entries()) {
    const delta = value - mean
    mean += delta / (index + 1)
    squares += delta * (value - mean)
  }
  return { mean, stddev: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null }
}
