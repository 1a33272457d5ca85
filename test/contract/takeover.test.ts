// Several executors, as processes of their own: promises 1, 2 and 4 hold while the one that dispatches is killed, paused or
// told to stop. Runs that are under way go on where they are.

import { type RunningProcess, run, until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completed, type PlainPool, type RunningSystem, startSystem, unique } from './harness.ts'

let running: RunningSystem
/** By the id that each gives itself; the embedded system of this file has none. */
const executors = new Map<string, RunningProcess>()

const stranger = () => running.stranger
const dispatcher = async (): Promise<string | null> => {
  const message = await stranger().jsm.direct.getMessage('KV_EXECUTORS', {
    last_by_subj: '$KV.EXECUTORS.dispatcher',
  })
  return message?.json<{ holder: string | null }>().holder ?? null
}
/** Who dispatches, once it is one of those that live. */
const current = async (): Promise<{ id: string; process: RunningProcess }> =>
  await until(async () => {
    const id = await dispatcher()
    const process = id === null ? undefined : executors.get(id)
    return process && { id: id as string, process }
  }, 'an executor to dispatch')

async function startExecutor(): Promise<string> {
  const process = run('service.ts', ['executor'], { NATS_URL: stranger().url })
  await process.line(/"msg":"ready"/)
  const { executor } = JSON.parse(await process.line(/"executor":/)) as { executor: string }
  executors.set(executor, process)
  return executor
}

/** SIGKILL, and another in its place, so that there are always as many. */
async function kill(id: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const process = executors.get(id) as RunningProcess
  executors.delete(id)
  process.child.kill(signal)
  await process.ended
  await startExecutor()
}

beforeAll(async () => {
  running = await startSystem({}, undefined, ['registry', 'distributor', 'health-monitor'])
  await startExecutor()
  await startExecutor()
})
afterAll(async () => {
  for (const process of executors.values()) {
    process.child.kill('SIGCONT')
    await process[Symbol.asyncDispose]()
  }
  await running[Symbol.asyncDispose]()
})

/** A plain pool that answers when it is told to. */
async function holding(maxWorkers: number): Promise<PlainPool & { task: object; open(): void }> {
  const gate = Promise.withResolvers<void>()
  const pool = await stranger().own({
    maxWorkers,
    handler: async (work) => {
      await gate.promise
      return completed(work, { done: true })
    },
  })
  return Object.assign(pool, { open: () => gate.resolve() })
}

/** A pool of the worker package, that answers when it is told to. */
async function worker(maxWorkers: number) {
  const gate = Promise.withResolvers<void>()
  const name = unique('worker')
  const begun: string[] = []
  const stopped: string[] = []
  const pool = await definePool({
    name,
    capabilities: [name],
    maxWorkers,
    handler: async (task, { signal }) => {
      begun.push(task.task_id)
      signal.addEventListener('abort', () => stopped.push(task.task_id))
      await gate.promise
      return { by: name }
    },
  }).start({ servers: stranger().url, handleSignals: false, log: undefined, nc: await connection() })
  await stranger().fitting({ required_capabilities: [name] }, [name])
  return { name, pool, begun, stopped, open: () => gate.resolve(), task: { required_capabilities: [name] } }
}
const connection = async () => (await import('@nats-io/transport-node')).connect({ servers: stranger().url })

const submit = async (task: object, count: number): Promise<string[]> =>
  await Promise.all(Array.from({ length: count }, () => stranger().submit({ ...task })))

/** Each completed, once, and told once. */
async function allCompletedOnce(ids: string[]): Promise<void> {
  for (const id of ids) expect(await stranger().resultOf(id)).toMatchObject({ status: 'completed' })
  for (const id of ids) {
    expect(stranger().resultsOf(id)).toHaveLength(1)
    expect(await stranger().stored(id)).toMatchObject({ status: 'completed' })
  }
}

describe('the executor that dispatches is killed', () => {
  test('runs in a plain pool go on, and each is begun once', async () => {
    await using pool = await holding(5)
    const ids = await submit(pool.task, 12)
    await until(() => pool.running === 5)
    await kill((await current()).id)
    await until(async () => (await current()) && (await stranger().status(ids[0] as string)))
    expect(pool.received).toHaveLength(5)
    pool.open()
    await allCompletedOnce(ids)
    expect(new Set(pool.ids()).size).toBe(pool.received.length)
    expect(pool.peak).toBe(5)
  })

  test('and so is the one that took over from it: runs in a plain pool still go on', async () => {
    await using pool = await holding(5)
    const ids = await submit(pool.task, 12)
    await until(() => pool.running === 5)
    const standby = await stranger().listen<{ following: string | null }>('poolmesh.standby')
    const followed = (id: string) => until(() => standby.some(({ following }) => following === id))
    const { id: first } = await current()
    await followed(first)
    await kill(first)
    const { id: second } = await current()
    await followed(second)
    await kill(second)
    await current()
    // Two executors take them in, so that the first one submitted need not be among those that run.
    await until(async () => (await stranger().status(pool.ids()[0] as string))['status'] === 'running')
    expect(pool.received).toHaveLength(5)
    pool.open()
    await allCompletedOnce(ids)
    expect(new Set(pool.ids()).size).toBe(pool.received.length)
    expect(pool.peak).toBe(5)
  })

  test('runs in a pool of the worker package go on, and each is begun once', async () => {
    const pool = await worker(5)
    const ids = await submit(pool.task, 12)
    await until(() => pool.begun.length === 5)
    await kill((await current()).id)
    await current()
    pool.open()
    await allCompletedOnce(ids)
    expect(pool.begun.sort()).toEqual([...ids].sort())
    expect(pool.stopped).toEqual([])
    await pool.pool.stop()
  })

  test('what pools answer while nobody dispatches is not lost', async () => {
    await using pool = await holding(5)
    const other = await worker(5)
    const ids = [...(await submit(pool.task, 5)), ...(await submit(other.task, 5))]
    await until(() => pool.running === 5 && other.begun.length === 5)
    const { process } = await current()
    process.child.kill('SIGSTOP')
    pool.open()
    other.open()
    await until(() => pool.running === 0)
    process.child.kill('SIGKILL')
    await process.ended
    await allCompletedOnce(ids)
    expect([pool.received.length, other.begun.length]).toEqual([5, 5])
    for (const [id, one] of executors) if (one === process) executors.delete(id)
    await startExecutor()
    await other.pool.stop()
  })

  test('the number of a run grows when the task is run again', async () => {
    await using pool = await holding(1)
    const [id] = await submit({ ...pool.task, timeout: 60 }, 1)
    await until(() => pool.running === 1)
    const { process, id: executor } = await current()
    // No other stands by, so nobody knows whether the answer was missed.
    for (const [other, one] of executors)
      if (other !== executor) {
        executors.delete(other)
        one.child.kill('SIGKILL')
        await one.ended
      }
    await until(async () => {
      const stats = stranger().ask<{ executors: number }>('executor.stats', '', 1_000)
      return (await stats.catch(() => null))?.executors === 1
    })
    await until(async () => {
      const message = await stranger()
        .jsm.direct.getMessage('KV_EXECUTORS', { last_by_subj: '$KV.EXECUTORS.runs' })
        .catch(() => null)
      return message?.string().includes(id as string)
    }, 'the run to be written down')
    process.child.kill('SIGKILL')
    await process.ended
    executors.clear()
    await startExecutor()
    await startExecutor()
    // Its only slot is taken by the first run until that answers.
    await until(() => pool.cancels.some(({ task_id }) => task_id === id))
    expect(pool.received).toHaveLength(1)
    pool.open()
    await allCompletedOnce([id as string])
    expect(pool.received.map(({ attempt }) => Number(attempt))).toEqual([1])
  })
})

test('one that was paused finds out that another dispatches, and nothing is done twice', async () => {
  await using pool = await holding(3)
  const ids = await submit(pool.task, 6)
  await until(() => pool.running === 3)
  const { id, process } = await current()
  process.child.kill('SIGSTOP')
  await until(async () => ![id, null].includes(await dispatcher()), 'another to take over')
  process.child.kill('SIGCONT')
  await process.line(/another executor dispatches now/)
  pool.open()
  await allCompletedOnce(ids)
  expect([pool.received.length, pool.peak]).toEqual([6, 3])
})

test('one that was paused does not say of a task that has ended meanwhile that it has not', async () => {
  await using pool = await holding(2)
  const ids = await submit(pool.task, 4)
  await until(() => pool.running === 2)
  const { id, process } = await current()
  process.child.kill('SIGSTOP')
  await until(async () => ![id, null].includes(await dispatcher()), 'another to take over')
  pool.open()
  await until(() => ids.every((one) => stranger().resultsOf(one).length === 1), 'all to end')
  // Any executor may be asked: some of these questions wait at the one that is paused.
  const asked = ids.flatMap((one) => [...'1234567890'].map(() => stranger().status(one)))
  await stranger().nc.flush()
  process.child.kill('SIGCONT')
  for (const { status } of await Promise.all(asked)) expect(status).toBe('completed')
})

test('one that is told to stop hands over what runs', async () => {
  await using pool = await holding(4)
  const other = await worker(4)
  const ids = [...(await submit(pool.task, 8)), ...(await submit(other.task, 8))]
  await until(() => pool.running === 4 && other.begun.length === 4)
  const { id } = await current()
  await kill(id, 'SIGTERM')
  expect((await current()).id).not.toBe(id)
  pool.open()
  other.open()
  await allCompletedOnce(ids)
  expect([pool.received.length, other.begun.length, pool.peak]).toEqual([8, 8, 4])
  await other.pool.stop()
})

test('a rolling restart under load fails no task, runs none twice, and overfills no pool', async () => {
  const pools = await Promise.all([1, 3].map((maxWorkers) => stranger().own({ maxWorkers })))
  const ids: string[] = []
  let over = false
  const load = (async () => {
    while (!over) for (const pool of pools) ids.push(...(await submit(pool.task, 5)))
  })()
  for (const id of [...executors.keys()]) await kill(id, 'SIGTERM')
  over = true
  await load
  await allCompletedOnce(ids)
  expect(pools.map(({ peak }) => peak)).toEqual([1, 3])
  const received = pools.flatMap((pool) => pool.ids())
  expect(received).toHaveLength(new Set(received).size)
  for (const pool of pools) await pool[Symbol.asyncDispose]()
})
