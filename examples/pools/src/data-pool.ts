import { validate } from '@poolmesh/types'
import type { PoolDefinition } from '@poolmesh/worker'
import * as z from 'zod'
import { checksum } from './checksum.ts'
import { defineExamplePool, type ExamplePoolOptions, type Tasks } from './example-pool.ts'
import { rootFolder } from './files.ts'
import { GroupBy } from './group-by.ts'
import { sourceFields, sourceOf } from './payload.ts'
import { Statistics } from './statistics.ts'
import { readTable } from './table.ts'

const column = z.string().min(1)
const tableFields = { ...sourceFields, delimiter: z.string().length(1).default(',') }
const statisticsSchema = z.looseObject(tableFields)
const groupBySchema = z.looseObject({
  ...tableFields,
  by: z.union([column.transform((name) => [name]), z.array(column).min(1).max(16)]),
  aggregates: z
    .array(z.looseObject({ op: z.enum(['sum', 'avg', 'count']), column }))
    .max(64)
    .default([]),
})

/**
 * Works on CSV. The task type says what is done: `csv.statistics`, `csv.group_by` (`{by, aggregates: [{op, column}]}`) or
 * `checksum`. The payload has the CSV as `text`, or `path` to a file.
 */
export function defineDataPool(options: ExamplePoolOptions = {}): PoolDefinition {
  const root = options.root ?? rootFolder()
  const tasks: Tasks = {
    'csv.statistics': async (payload, { signal }) => {
      const wanted = validate(statisticsSchema, payload, 'the payload')
      const statistics = new Statistics()
      await readTable(root, sourceOf(wanted), wanted.delimiter, signal, statistics)
      return statistics.result()
    },
    'csv.group_by': async (payload, { signal }) => {
      const wanted = validate(groupBySchema, payload, 'the payload')
      const groups = new GroupBy(wanted.by, wanted.aggregates)
      await readTable(root, sourceOf(wanted), wanted.delimiter, signal, groups)
      return groups.result()
    },
    checksum: (payload, context) => checksum(root, payload, context),
  }
  return defineExamplePool('data-pool', ['data', 'csv', 'statistics'], tasks, options)
}

export const dataPool: PoolDefinition = defineDataPool()
