import { type JsMsg, jetstream } from '@nats-io/jetstream'
import { connect, createInbox, headers, type Msg } from '@nats-io/transport-node'
import type { Started } from '../processes/roles.ts'
import { type FloorResult, type FloorTask, floorPool, listOf, MAX_TASKS } from './topology.ts'

interface Pool {
  subject: string
  running: number
  /** Goes at the end of this tick. */
  tasks: FloorTask[]
}

interface Batch {
  id: string
  message: JsMsg
  notify: string
  /** Tasks without an answer. */
  open: number
  /** Answers that no write carries yet. */
  ready: FloorResult[]
  /** What the outstanding write carries; null where none is outstanding. */
  writing: string | null
  lastSequence: number
}

export async function startFloorExecutor(
  url: string,
  { pools: count }: { pools: number },
): Promise<Started<Record<never, never>>> {
  const nc = await connect({ servers: url, name: 'floor executor' })
  const answers = createInbox()
  const stored = `${createInbox()}.`
  const pools: Pool[] = Array.from({ length: count }, (_, i) => ({
    subject: `pool.work.${floorPool(i)}`,
    running: 0,
    tasks: [],
  }))
  const running = new Map<string, { batch: Batch; pool: Pool }>()
  const batches = new Map<string, Batch>()
  let isPlanned = false

  const write = (batch: Batch): void => {
    const [first] = batch.ready
    batch.writing = JSON.stringify(batch.ready.length === 1 ? first : batch.ready)
    batch.ready = []
    const h = headers()
    h.set('Nats-Expected-Last-Subject-Sequence', String(batch.lastSequence))
    nc.publish(`task.completed.${batch.id}`, batch.writing, { reply: stored + batch.id, headers: h })
  }

  const onStored = (message: Msg): void => {
    const batch = batches.get(message.subject.slice(stored.length))
    if (!batch || batch.writing === null) return
    const { seq } = message.json<{ seq?: number }>()
    if (seq === undefined) throw new Error(`not stored: ${message.string()}`)
    batch.lastSequence = seq
    nc.publish(batch.notify, batch.writing)
    batch.writing = null
    if (batch.ready.length > 0) write(batch)
    else if (batch.open === 0) {
      batch.message.ack()
      batches.delete(batch.id)
    }
  }

  const onAnswers = (message: Msg): void => {
    const touched = new Set<Batch>()
    for (const result of listOf<FloorResult>(message.string())) {
      const run = running.get(result.task_id)
      if (!run) continue
      running.delete(result.task_id)
      run.pool.running--
      run.batch.open--
      run.batch.ready.push(result)
      touched.add(run.batch)
    }
    for (const batch of touched) if (batch.writing === null) write(batch)
  }

  const send = (): void => {
    isPlanned = false
    for (const pool of pools) {
      const { subject, tasks } = pool
      if (tasks.length === 0) continue
      pool.tasks = []
      for (let from = 0; from < tasks.length; from += MAX_TASKS)
        nc.publish(subject, JSON.stringify(tasks.slice(from, from + MAX_TASKS)), { reply: answers })
    }
  }

  const take = (message: JsMsg): void => {
    const tasks = listOf<FloorTask>(message.string())
    const batch: Batch = {
      id: message.subject.slice(message.subject.lastIndexOf('.') + 1),
      message,
      notify: message.headers?.get('Poolmesh-Notify') ?? '',
      open: tasks.length,
      ready: [],
      writing: null,
      lastSequence: 0,
    }
    batches.set(batch.id, batch)
    for (const task of tasks) {
      let pool = pools[0] as Pool
      for (const other of pools) if (other.running < pool.running) pool = other
      pool.running++
      pool.tasks.push(task)
      running.set(task.task_id, { batch, pool })
    }
    if (isPlanned) return
    isPlanned = true
    setImmediate(send)
  }

  nc.subscribe(answers, { callback: (_, message) => onAnswers(message) })
  nc.subscribe(`${stored}*`, { callback: (_, message) => onStored(message) })
  const consumer = await jetstream(nc).consumers.get('TASKS', 'normal')
  await consumer.consume({ max_messages: 500, callback: take })
  return { commands: {}, stop: () => nc.close() }
}
