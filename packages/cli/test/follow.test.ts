// What becomes of a task: status, result, cancel, explain.
import type { DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { cancelReplySchema, explainReplySchema, resultSchema, statusReplySchema } from '@poolmesh/types'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { commandsFor, jsonOf, start, startPool, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
/** Runs end when a test opens it. */
let gate: PromiseWithResolvers<void>
beforeEach(() => {
  gate = Promise.withResolvers()
})
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
  await startPool(system, 'slow-pool', ['slow'], async (_, { signal }) => {
    await Promise.race([gate.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
    return { well: 'done' }
  })
})
afterAll(() => system?.[Symbol.asyncDispose]())

async function submitRunning(): Promise<string> {
  const handle = system.executor.submit({ task_type: 'slow', payload: {}, required_capabilities: ['slow'] })
  await until(async () => (await handle.status()).status === 'running')
  return handle.taskId
}

async function submitEnded(): Promise<string> {
  gate.resolve()
  const task = { task_type: 'slow', payload: {}, required_capabilities: ['slow'] }
  return (await system.executor.executeTask(task)).task_id
}

async function submitWaiting(): Promise<string> {
  const handle = system.executor.submit({ task_type: 'slow', payload: {}, required_capabilities: ['gpu'] })
  await handle.stored
  return handle.taskId
}

test('status of a task that runs, and of one that has ended', async () => {
  const id = await submitRunning()
  const { code, stdout } = await run(['status', id])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^status {5}running$/m)
  expect(stdout).toMatch(/^pool {7}slow-pool$/m)
  expect(stdout).toMatch(/^finished {3}-$/m)
  expect(statusReplySchema.parse(jsonOf(await run(['status', id, '--json'])))).toMatchObject({
    task_id: id,
    status: 'running',
    attempt: 1,
  })
  const ended = await submitEnded()
  expect((await run(['status', ended])).stdout).toMatch(/^finished {3}\d{4}-\d\d-\d\dT/m)
})

test('result of a task that has ended', async () => {
  const id = await submitEnded()
  const { code, stdout, stderr } = await run(['result', id])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^status {2}completed$/m)
  expect(stdout).toContain('"well": "done"')
  expect(resultSchema.parse(jsonOf(await run(['result', id, '--json'])))).toEqual(
    await system.executor.getTaskResult(id),
  )
})

test('result of a task that has not ended is its status, and ends with 5', async () => {
  const id = await submitRunning()
  const { code, stdout } = await run(['result', id])
  expect(code).toBe(5)
  expect(stdout).toMatch(/^status {5}running$/m)
  const asJson = await run(['result', id, '--json'])
  expect(asJson.code).toBe(5)
  expect(statusReplySchema.parse(jsonOf(asJson))).toMatchObject({ task_id: id, status: 'running' })
  gate.resolve()
})

/** Resolves when somebody has asked for results so often: whoever asks again has been told that there is none yet. */
async function untilAsked(times: number): Promise<void> {
  const asked = system.connection.subscribe('task.result', { max: times })
  for await (const _ of asked) if (asked.getReceived() >= times) return
}

test('result --wait ends when the task does; of a cancelled one with 1', async () => {
  const id = await submitWaiting()
  const asked = untilAsked(2)
  const waiting = start(['result', id, '--wait', '--json'], { env: { NATS_URL: system.url } })
  await asked
  await system.executor.cancelTask(id, { reason: 'no longer needed' })
  const outcome = await waiting.ended
  expect(outcome.code).toBe(1)
  expect(resultSchema.parse(jsonOf(outcome))).toMatchObject({
    status: 'cancelled',
    error: 'cancelled: no longer needed',
  })
})

test('Ctrl-C ends result --wait, and says where to look', async () => {
  const id = await submitWaiting()
  const asked = untilAsked(2)
  const waiting = start(['result', id, '--wait'], { env: { NATS_URL: system.url } })
  await asked
  waiting.child.kill('SIGINT')
  expect(await waiting.ended).toEqual({
    code: 130,
    stdout: '',
    stderr: `poolmesh: no longer waiting. The task goes on: poolmesh status ${id} shows where it is.\n`,
  })
})

test('cancel of a task that waits, and of one that runs', async () => {
  const waiting = await submitWaiting()
  expect(await run(['cancel', waiting, '--reason', 'wrong file'])).toEqual({
    code: 0,
    stdout: `${waiting} is cancelled\n`,
    stderr: '',
  })
  expect((await system.executor.getTaskResult(waiting))?.error).toBe('cancelled: wrong file')
  const running = await submitRunning()
  const outcome = await run(['cancel', running, '--json'])
  expect(outcome.code).toBe(0)
  expect(cancelReplySchema.parse(jsonOf(outcome))).toEqual({
    task_id: running,
    cancelled: true,
    status: 'cancelled',
  })
})

test('cancel that comes too late says what the task is, and ends with 1', async () => {
  const id = await submitEnded()
  expect(await run(['cancel', id])).toEqual({
    code: 1,
    stdout: `${id} had ended already: completed\n`,
    stderr: '',
  })
  const outcome = await run(['cancel', id, '--json'])
  expect(outcome.code).toBe(1)
  expect(cancelReplySchema.parse(jsonOf(outcome))).toEqual({
    task_id: id,
    cancelled: false,
    status: 'completed',
  })
})

test('explain says what a task waits for, and which pools were looked at', async () => {
  const id = await submitWaiting()
  const { code, stdout } = await run(['explain', id])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^waits for {2}.*gpu/m)
  expect(stdout).toMatch(/^ {2}slow-pool {2}unfit +- {2}lacks a required capability$/m)
  expect(explainReplySchema.parse(jsonOf(await run(['explain', id, '--json'])))).toMatchObject({
    task_id: id,
    status: 'pending',
    chosen: null,
  })
})

test('an explanation is there as Markdown too, to be pasted into a report', async () => {
  const { code, stdout } = await run(['explain', await submitWaiting(), '--format', 'markdown'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^\| what +\| is +\|\n\| -+ +\| -+ +\|\n/)
  expect(stdout).toMatch(/^\| waits for +\| .*gpu.* \|$/m)
  expect(stdout).toMatch(/^\n\| pool +\| verdict +\| +score \| reason +\|$/m)
  expect(stdout).toMatch(/^\| slow-pool +\| unfit +\| +- \| lacks a required capability +\|$/m)
})

test('explain says where a task would go that is not submitted', async () => {
  const args = ['explain', '--type', 'slow', '-c', 'slow', '--strategy', 'round_robin']
  expect((await run(args)).stdout).toMatch(
    /^task {6}\(not submitted\)\nstrategy {2}round_robin\npool {6}slow-pool$/m,
  )
  expect(explainReplySchema.parse(jsonOf(await run([...args, '--json'])))).toMatchObject({
    task_id: null,
    status: null,
    chosen: 'slow-pool',
  })
})

test('explain wants either a task or the kind of one', async () => {
  for (const args of [['explain'], ['explain', 'some_id', '--type', 'slow']]) {
    const { code, stderr } = await run(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^poolmesh: name either a task or, with --type, what kind of task$/m)
  }
})

test.each([['status'], ['result'], ['cancel'], ['explain']])(
  '%s of an unknown task ends with 4',
  async (command) => {
    const { code, stdout, stderr } = await run([command, 'nobody_knows'])
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/^poolmesh: .*nobody_knows.*\(NOT_FOUND\)\n$/)
    const asJson = await run([command, 'nobody_knows', '--json'])
    expect(asJson).toMatchObject({ code: 4, stdout: '' })
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: 'NOT_FOUND', issues: [] } })
  },
)

test('an id that is none is refused with its path', async () => {
  const { code, stderr } = await run(['status', 'a.b'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/task_id.*\(INVALID_INPUT\)/)
})
