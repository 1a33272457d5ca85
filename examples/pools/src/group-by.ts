import { PoolmeshError } from '@poolmesh/types'
import { numberOf, type TableReader } from './table.ts'

/** `sum` and `avg` leave out cells that are no numbers; `count` counts cells that are not empty. */
export type Operation = 'sum' | 'avg' | 'count'

export interface Aggregate {
  op: Operation
  column: string
}

interface Group {
  key: string[]
  rows: number
  sums: number[]
  counts: number[]
}

export interface Grouping {
  rows: number
  /** Sorted by key. Values are named `sum_units`; an average of nothing is null. */
  groups: { key: Record<string, string>; rows: number; values: Record<string, number | null> }[]
}

/** A payload that names a column of ids as its key would make an output as large as its input. */
const MAX_GROUPS = 10_000

/** `SELECT …, count(*), sum(x) … GROUP BY …` over a table. */
export class GroupBy implements TableReader {
  readonly #by: string[]
  readonly #aggregates: Aggregate[]
  readonly #groups = new Map<string, Group>()
  #byIndex: number[] = []
  #valueIndex: number[] = []
  #rows = 0

  constructor(by: string[], aggregates: Aggregate[]) {
    this.#by = by
    this.#aggregates = aggregates
  }

  header(columns: string[]): void {
    const indexOf = (name: string): number => {
      const index = columns.indexOf(name)
      if (index >= 0) return index
      const known = columns.join(', ')
      throw new PoolmeshError(
        'INVALID_INPUT',
        `the CSV has no column ${JSON.stringify(name)}; it has ${known}`,
      )
    }
    this.#byIndex = this.#by.map(indexOf)
    this.#valueIndex = this.#aggregates.map(({ column }) => indexOf(column))
  }

  row(cells: string[]): void {
    this.#rows++
    const group = this.#group(this.#byIndex.map((index) => cells[index] ?? ''))
    group.rows++
    for (const [i, { op }] of this.#aggregates.entries()) {
      const cell = cells[this.#valueIndex[i] as number] ?? ''
      const value = op === 'count' ? Number(cell !== '') : numberOf(cell)
      if (value === null) continue
      group.sums[i] = (group.sums[i] as number) + value
      group.counts[i] = (group.counts[i] as number) + 1
    }
  }

  #group(key: string[]): Group {
    const id = JSON.stringify(key)
    const known = this.#groups.get(id)
    if (known) return known
    if (this.#groups.size === MAX_GROUPS)
      throw new PoolmeshError('INVALID_INPUT', `there are more than ${MAX_GROUPS} groups`)
    const zeros = this.#aggregates.map(() => 0)
    const group = { key, rows: 0, sums: [...zeros], counts: zeros }
    this.#groups.set(id, group)
    return group
  }

  result(): Grouping {
    const sorted = [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
    return {
      rows: this.#rows,
      groups: sorted.map((group) => ({
        key: Object.fromEntries(this.#by.map((name, i) => [name, group.key[i] ?? ''])),
        rows: group.rows,
        values: Object.fromEntries(
          this.#aggregates.map(({ op, column }, i) => [`${op}_${column}`, aggregateOf(op, group, i)]),
        ),
      })),
    }
  }
}

function aggregateOf(op: Operation, group: Group, i: number): number | null {
  const sum = group.sums[i] as number
  if (op !== 'avg') return sum
  const count = group.counts[i] as number
  return count === 0 ? null : sum / count
}
