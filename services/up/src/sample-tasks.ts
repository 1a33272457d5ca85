// What `npm start` submits to show that it works: the project's own documents, and a table of made-up sales.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DistributedTaskInput } from '@poolmesh/types'
import { ROOT } from './compile-cache.ts'

export interface SampleTask {
  /** What a person would call it. */
  title: string
  task: DistributedTaskInput
  /** The part of the output that is worth a line. */
  summary(output: Record<string, unknown>): string
}

const MAX_DOCUMENTS = 6
const CSV = 'examples/data/sales.csv'

/** Those that exist: README and ARCHITECTURE first, then what is in docs/. */
function documents(): string[] {
  const inDocs = readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`)
  return ['README.md', 'ARCHITECTURE.md', ...inDocs]
    .filter((name) => existsSync(join(ROOT, name)))
    .slice(0, MAX_DOCUMENTS)
}

const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

/** The documents travel in the payload, the CSV by path: both ways are shown. */
export function sampleTasks(poolNames: readonly string[]): SampleTask[] {
  const names = documents()
  const first = names[0]
  return [
    ...names.map(
      (name): SampleTask => ({
        title: `words of ${name}`,
        task: {
          task_type: 'text.words',
          payload: { text: read(name) },
          required_capabilities: ['text'],
        },
        summary: (output) => `${output['words']} words, ${output['unique_words']} different ones`,
      }),
    ),
    ...(first === undefined
      ? []
      : [
          {
            title: `readability of ${first}`,
            task: {
              task_type: 'text.readability',
              payload: { text: read(first) },
              required_capabilities: ['text'],
            },
            summary: (output: Record<string, unknown>) =>
              `Flesch reading ease ${output['flesch_reading_ease']}: ${output['band']}`,
          },
        ]),
    {
      title: 'statistics of sales.csv',
      task: { task_type: 'csv.statistics', payload: { path: CSV }, required_capabilities: ['csv'] },
      summary: (output) => {
        const { revenue } = output['columns'] as Record<string, { mean: number; median: number } | undefined>
        return `${output['rows']} rows; revenue: mean ${whole(revenue?.mean)}, median ${whole(revenue?.median)}`
      },
    },
    {
      title: 'revenue by region',
      task: {
        task_type: 'csv.group_by',
        payload: { path: CSV, by: 'region', aggregates: [{ op: 'sum', column: 'revenue' }] },
        required_capabilities: ['csv'],
      },
      summary: (output) => {
        const groups = output['groups'] as { key: Record<string, string>; values: Record<string, number> }[]
        return groups.map(({ key, values }) => `${key['region']} ${whole(values['sum_revenue'])}`).join(', ')
      },
    },
    {
      title: 'checksum of sales.csv, agreed',
      task: {
        task_type: 'checksum',
        payload: { path: CSV },
        fan_out: { pools: [...poolNames], aggregation: 'majority' },
      },
      summary: (output) => {
        const branches = output['branches'] as { status: string; output: { sha256?: string } | null }[]
        const agreed = branches.filter(({ status }) => status === 'completed')
        return `${agreed.length} of ${branches.length} pools say ${agreed[0]?.output?.sha256?.slice(0, 16)}…`
      },
    },
  ]
}

const whole = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(0))
