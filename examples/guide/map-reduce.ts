// Map and reduce over real text: the words of all documents of this project, or of the files that are named. The text is cut
// into chunks, each chunk is a task (map), and the counts of many chunks are added up by tasks again (reduce) until one is left.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createDistributedPoolSystem,
  type DistributedTaskInput,
  type DistributedTaskResult,
} from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'

type Counts = Record<string, number>

const ROOT = join(import.meta.dirname, '..', '..')
const CHUNK_LINES = 50
const COUNTS_A_REDUCE = 8

const add = (sum: Counts, counts: Counts): Counts => {
  for (const [word, n] of Object.entries(counts)) sum[word] = (sum[word] ?? 0) + n
  return sum
}
// Without a prototype: a text may have the word "constructor".
const countWords = (text: string): Counts => {
  const counts: Counts = Object.create(null)
  for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

function documents(): string[] {
  if (process.argv.length > 2) return process.argv.slice(2)
  const inDocs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  const named = inDocs.filter((name) => name.endsWith('.md')).map((name) => join(ROOT, 'docs', name))
  return [join(ROOT, 'README.md'), join(ROOT, 'LICENSE'), ...named]
}

await using poolmesh = await createDistributedPoolSystem()
const { executor, connection: nc } = poolmesh

await using pools = new AsyncDisposableStack()
for (const name of ['readers_north', 'readers_south', 'readers_west'])
  pools.use(
    await definePool({
      name,
      capabilities: ['words'],
      maxWorkers: 4,
      handler: ({ task_type, payload }) =>
        task_type === 'map'
          ? countWords(String(payload['text']))
          : (payload['counts'] as Counts[]).reduce(add, Object.create(null)),
    }).start({ nc }),
  )

/** Runs tasks and gives their outputs; a result that is no success ends the whole. */
async function run(tasks: Iterable<DistributedTaskInput>, seen: (result: DistributedTaskResult) => void) {
  const outputs: Counts[] = []
  for await (const result of executor.submitMany(tasks)) {
    if (result.status !== 'completed')
      throw new Error(`${result.task_id} ended ${result.status}: ${result.error}`)
    seen(result)
    outputs.push(result.output as Counts)
  }
  return outputs
}

const required_capabilities = ['words']
const texts = documents().map((file) => readFileSync(file, 'utf8'))
const chunks: string[] = []
for (const text of texts) {
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i += CHUNK_LINES) chunks.push(lines.slice(i, i + CHUNK_LINES).join('\n'))
}

const mappers = new Set<string>()
let counts = await run(
  chunks.map((text) => ({ task_type: 'map', payload: { text }, required_capabilities })),
  ({ pool_name }) => mappers.add(String(pool_name)),
)
let reduces = 0
while (counts.length > 1) {
  const groups: Counts[][] = []
  for (let i = 0; i < counts.length; i += COUNTS_A_REDUCE) groups.push(counts.slice(i, i + COUNTS_A_REDUCE))
  counts = await run(
    groups.map((group) => ({ task_type: 'reduce', payload: { counts: group }, required_capabilities })),
    () => reduces++,
  )
}

const total = counts[0] ?? {}
const words = Object.values(total).reduce((sum, n) => sum + n, 0)
const top = Object.entries(total).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
console.log(`${texts.length} documents, ${chunks.length} maps on ${mappers.size} pools, ${reduces} reduces`)
console.log(
  `${words} words, ${top.length} different ones: ${top
    .slice(0, 5)
    .map((pair) => pair.join(' '))
    .join(', ')}`,
)

// The same in one go, to see that nothing was lost or counted twice.
const alone = countWords(texts.join('\n'))
const same = top.length === Object.keys(alone).length && top.every(([word, n]) => alone[word] === n)
console.log(same ? 'one process alone counts the same' : 'one process alone counts something else')
if (!same) process.exitCode = 1
