// The parts of poolmesh's hot path that are pure, each in a loop: `node bench/instructions/parts.ts <part> <tasks>`. Alone it says
// nothing; `run.ts` counts its instructions.
import { PoolTable, printResult, type Run, TaskEngine } from '@poolmesh/core'
import {
  type DistributedTask,
  type DistributedTaskResult,
  type PoolDescriptor,
  parseLines,
  parsePoolAnswer,
  parseTask,
  printLines,
  taskIdInBatch,
} from '@poolmesh/types'

const BATCH = 100
const POOLS = 100
const NOW = Date.UTC(2026, 0, 1)

const pool = (i: number): PoolDescriptor => ({
  name: `pool-${i}`,
  pool_type: 'nats',
  capabilities: ['bench', `kind-${i % 7}`],
  max_workers: 100,
  current_workers: 0,
  queue_size: 0,
  health_status: 'healthy',
  region: null,
  metadata: {},
})

function tableOf(pools: number): PoolTable {
  const table = new PoolTable()
  for (let i = 0; i < pools; i++) table.upsert(pool(i))
  return table
}

const batchId = (n: number): string => `b${String(n).padStart(25, '0')}`
const inputOf = (n: number) => ({
  task_type: 'bench',
  payload: { n, data: 'x'.repeat(180) },
  required_capabilities: ['bench'],
})
const batchText = (n: number): string =>
  printLines(Array.from({ length: BATCH }, (_, i) => JSON.stringify(inputOf(n + i))))

function tasksOf(id: string, text: string): { tasks: DistributedTask[]; texts: string[] } {
  const { values, texts } = parseLines(text) as { values: unknown[]; texts: string[] }
  const tasks = values.map((value, i) => {
    const parsed = parseTask(value, { taskId: taskIdInBatch(id, i) })
    if (!parsed.ok) throw parsed.error
    return parsed.task
  })
  return { tasks, texts }
}

const resultOf = (i: number): DistributedTaskResult => ({
  task_id: taskIdInBatch(batchId(0), i),
  pool_name: 'pool-1',
  status: 'completed',
  output: { n: i },
  error: null,
  duration: 0.001 * i,
  metadata: {
    attempts: 1,
    queued_ms: i,
    submitted_at: new Date(NOW).toISOString(),
    started_at: new Date(NOW + i).toISOString(),
  },
})

/** Each returns something of what it made, so that nothing of it can be left out. */
const PARTS = {
  /** One decision, with the slot taken and an older one given back. */
  route(tasks: number): number {
    const table = tableOf(POOLS)
    const requirements = { capabilities: ['bench'], pool: null }
    const preferences = {
      strategy: 'least_loaded' as const,
      region: null,
      affinityKey: '',
      preferred: [],
      avoid: null,
    }
    const held = []
    for (let i = 0; i < tasks; i++) {
      const chosen = table.choose(requirements, preferences)
      if (!chosen) throw new Error('no pool fits')
      table.acquire(chosen)
      held.push(chosen)
      if (held.length < 1_000) continue
      for (const one of held.splice(0)) table.release(one)
    }
    return held.length
  },

  /** A submission's message into tasks, checked and filled in. */
  decode(tasks: number): number {
    const text = batchText(0)
    let sum = 0
    for (let i = 0; i < tasks; i += BATCH) sum += tasksOf(batchId(i), text).tasks.length
    return sum
  },

  /** A pool's message of answers. */
  answers(tasks: number): number {
    const all = Array.from({ length: BATCH }, (_, i) =>
      JSON.stringify({
        task_id: taskIdInBatch(batchId(0), i),
        attempt: 1,
        status: 'completed',
        output: { n: i },
      }),
    )
    const text = printLines(all)
    let sum = 0
    for (let i = 0; i < tasks; i += BATCH)
      for (const value of parseLines(text)?.values ?? []) sum += Number(parsePoolAnswer(value).ok)
    return sum
  },

  /** Results into the text that is stored. */
  encode(tasks: number): number {
    const results = Array.from({ length: BATCH }, (_, i) => resultOf(i))
    let sum = 0
    for (let i = 0; i < tasks; i += BATCH) sum += printLines(results.map(printResult)).length
    return sum
  },

  /** From the batch that was taken in to the batch that is closed: queues, decisions, runs, timers, results. */
  engine(tasks: number): number {
    const runs: Run[] = []
    let closed = 0
    const engine = new TaskEngine<null>(
      tableOf(5),
      {
        dispatch: (run) => void runs.push(run),
        cancel: () => {},
        append: (_, results) => results.length,
        close: () => void closed++,
        park: () => {},
        retrieve: () => {},
        report: () => {},
        freed: () => {},
        schedule: () => {},
      },
      { windowTasks: 10_000, windowBytes: 2 ** 28, now: () => NOW, random: () => 0.5 },
    )
    const prepared = tasksOf(batchId(0), batchText(0))
    let sequence = 0
    for (let i = 0; i < tasks; i += BATCH) {
      const id = batchId(i)
      engine.accept({
        id,
        handle: null,
        lane: 'normal',
        tasks: prepared.tasks.map((task, at) => ({ ...task, task_id: taskIdInBatch(id, at) })),
        texts: prepared.texts,
        failed: [],
        submittedAt: NOW,
        bytes: 20_000,
        stored: [],
        lastSequence: 0,
        handedOver: false,
      })
      engine.pump()
      const batch = engine.holds(id)
      for (const run of runs.splice(0))
        engine.answer(run.pool.name, run.entry.task.task_id, run.attempt, {
          kind: 'answer',
          answer: { status: 'completed', output: { n: 1 } },
        })
      engine.flush()
      if (batch) engine.appended(batch, ++sequence)
    }
    if (closed < tasks / BATCH) throw new Error(`of ${tasks / BATCH} batches ${closed} were closed`)
    return closed
  },
} as const

const [name = '', tasks = ''] = process.argv.slice(2)
if (!Object.hasOwn(PARTS, name)) throw new Error(`there is no part ${name}: ${Object.keys(PARTS).join(', ')}`)
PARTS[name as keyof typeof PARTS](Number(tasks))
