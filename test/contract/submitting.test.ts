// Contract, "Submitting work": task.submitted, the lanes, Poolmesh-Notify, and what a task becomes on its way to a pool.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  failed,
  gate,
  ID,
  type Json,
  type Result,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

describe('task.submitted', () => {
  test('as a request it is acknowledged by the stream TASKS, and ends in one result', async () => {
    await using pool = await stranger.own()
    const task_id = unique('t')
    const ack = await stranger.store('task.submitted', {
      task_id,
      task_type: 'x',
      payload: { a: 1 },
      ...pool.task,
    })
    expect(ack).toMatchObject({ stream: 'TASKS', seq: expect.any(Number) })
    const result = await stranger.resultOf(task_id)
    expect(result).toMatchObject({
      task_id,
      pool_name: pool.name,
      status: 'completed',
      output: { by: pool.name },
      error: null,
      duration: expect.any(Number),
      metadata: { attempts: 1, queued_ms: expect.any(Number) },
    })
  })

  test('published without waiting for the acknowledgement it ends likewise', async () => {
    await using pool = await stranger.own()
    const task_id = unique('t')
    stranger.nc.publish(
      'task.submitted',
      JSON.stringify({ task_id, task_type: 'x', payload: {}, ...pool.task }),
    )
    expect(await stranger.resultOf(task_id)).toMatchObject({ status: 'completed' })
  })

  test('without a task_id it gets a new UUID', async () => {
    await using pool = await stranger.own()
    const inputs = [1, 2, 3].map((n) => ({ task_type: 'x', payload: { n }, ...pool.task }))
    for (const input of inputs) await stranger.store('task.submitted', input)
    await until(() => pool.received.length === 3)
    const ids = pool.ids()
    expect(new Set(ids).size).toBe(3)
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
      expect(id).toMatch(ID)
      expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
      expect(await stranger.ask('task.result', { task_id: id })).toMatchObject({
        task_id: id,
        status: 'completed',
      })
    }
  })

  test('a pool gets the task with every default filled in', async () => {
    await using pool = await stranger.own()
    await stranger.run({ task_type: 'minimal', payload: { text: 'ü – 漢字' }, ...pool.task })
    expect(pool.received[0]?.task).toMatchObject({
      task_type: 'minimal',
      payload: { text: 'ü – 漢字' },
      routing_strategy: 'least_loaded',
      timeout: 300,
      priority: 5,
      metadata: {},
      queue_timeout: 300,
      max_attempts: 1,
      idempotent: false,
    })
    await using any = await stranger.own()
    await stranger.run({ task_type: 'x', payload: {}, pool: any.name, timeout: 77 })
    expect(any.received[0]?.task).toMatchObject({ required_capabilities: [], timeout: 77, queue_timeout: 77 })
  })

  test('unknown fields are kept and passed on, at every depth, in both directions', async () => {
    await using pool = await stranger.own({
      handler: (work) => ({
        ...completed(work, { deep: { list: [1, null, { x: true }] } }),
        colour: 'blue',
        metadata: { tokens: 7 },
      }),
    })
    const payload = { list: [1, { two: null }], nested: { deep: { value: 1.5 } } }
    const metadata = { tenant: 'acme', traceparent: '00-aa-bb-01', own: [1] }
    const result = await stranger.run({ ...pool.task, payload, metadata, later_field: { version: 2 } })
    expect(pool.received[0]?.task).toMatchObject({ payload, metadata, later_field: { version: 2 } })
    expect(result).toMatchObject({
      output: { deep: { list: [1, null, { x: true }] } },
      colour: 'blue',
      metadata: { tokens: 7, attempts: 1 },
    })
  })

  test('the pool is told the attempt and the deadline', async () => {
    await using pool = await stranger.own()
    const before = Date.now()
    await stranger.run({ ...pool.task, timeout: 600 })
    const [work] = pool.received
    expect(work?.attempt).toBe('1')
    const deadline = Date.parse(work?.deadline ?? '')
    expect(deadline).toBeGreaterThanOrEqual(before + 600_000)
    expect(deadline).toBeLessThanOrEqual(Date.now() + 600_000)
  })

  test('a pool that responds with no more than a status has answered', async () => {
    await using pool = await stranger.own({ handler: () => ({ status: 'completed' }) })
    expect(await stranger.run(pool.task)).toMatchObject({
      pool_name: pool.name,
      status: 'completed',
      output: null,
      error: null,
      duration: expect.any(Number),
      metadata: { attempts: 1 },
    })
  })

  test('`pool` runs it there and nowhere else, however well others fit', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    await using here = await stranger.pool(unique('here'), {
      capabilities,
      descriptor: { current_workers: 8 },
    })
    await using elsewhere = await stranger.pool(unique('elsewhere'), { capabilities })
    await stranger.fitting({ required_capabilities: capabilities }, [here.name, elsewhere.name])
    const ids = await Promise.all(
      Array.from({ length: 20 }, () =>
        stranger.submit({ required_capabilities: capabilities, pool: here.name }),
      ),
    )
    for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ pool_name: here.name })
    expect(elsewhere.received).toHaveLength(0)
  })

  test('higher priority goes first, inside a lane and over all lanes', async () => {
    const busy = gate()
    await using pool = await stranger.own({
      maxWorkers: 1,
      handler: (work) => busy.opened.then(() => completed(work, {})),
    })
    await using fence = await stranger.own()
    const blocker = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    const ids: string[] = []
    for (const priority of [5, 0, 9, 60, 7, 10, 3, 100, 49])
      ids.push(await stranger.submit({ ...pool.task, priority, task_id: unique(`p${priority}`) }))
    // Each lane is read in order: when these are through, those before them are known to whoever dispatches.
    for (const priority of [0, 5, 10, 50]) await stranger.run({ ...fence.task, priority })
    busy.open()
    for (const id of [blocker, ...ids]) await stranger.resultOf(id)
    const order = pool.received.slice(1).map((work) => work.task['priority'])
    expect(order).toEqual([100, 60, 49, 10, 9, 7, 5, 3, 0])
  })

  test('a task with not_before waits until then', async () => {
    await using pool = await stranger.own()
    const due = Date.now() + 700
    const id = await stranger.submit({ ...pool.task, not_before: new Date(due).toISOString() })
    const early = await stranger.run(pool.task)
    expect(early.status).toBe('completed')
    expect(await stranger.status(id)).toMatchObject({ status: 'pending' })
    let startedAt = 0
    pool.handler = (work) => {
      startedAt = Date.now()
      return completed(work, {})
    }
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    expect(startedAt).toBeGreaterThanOrEqual(due)
    // A time that has passed is no reason to wait.
    expect(await stranger.run({ ...pool.task, not_before: '2001-01-01T00:00:00Z' })).toMatchObject({
      status: 'completed',
    })
  })

  test('a task whose id has a stored result is not run again', async () => {
    let runs = 0
    await using pool = await stranger.own({ handler: (work) => completed(work, { run: ++runs }) })
    const id = await stranger.submit(pool.task)
    expect(await stranger.resultOf(id)).toMatchObject({ output: { run: 1 } })
    await stranger.submit({ ...pool.task, task_id: id })
    await stranger.store(`task.submitted.normal.${id}`, {
      task_type: 'x',
      payload: {},
      task_id: id,
      ...pool.task,
    })
    // A task that comes later in the same lane has ended: so have those before it.
    await stranger.run(pool.task)
    await until(async () => (await stranger.stored(id))?.output?.['run'] === 1)
    expect(pool.ids().filter((other) => other === id)).toHaveLength(1)
    expect(stranger.resultsOf(id)).toHaveLength(1)
    expect(await stranger.ask('task.result', { task_id: id })).toMatchObject({ output: { run: 1 } })
  })
})

describe('task.submitted.<lane>.<id>', () => {
  const task = (pool: { task: Json }, more: Json = {}): Json => ({
    task_type: 'x',
    payload: {},
    ...pool.task,
    ...more,
  })

  test.each([
    ['low', 2],
    ['normal', 5],
    ['high', 20],
    ['urgent', 80],
  ])('%s takes one task under its id', async (lane, priority) => {
    await using pool = await stranger.own()
    const id = unique('one')
    const ack = await stranger.store(`task.submitted.${lane}.${id}`, task(pool, { task_id: id, priority }))
    expect(ack).toMatchObject({ stream: 'TASKS' })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: pool.name })
    expect(await stranger.stored(id)).toMatchObject({ task_id: id, status: 'completed' })
  })

  test('a batch is an array: its tasks are <id>-0, <id>-1, … and each ends', async () => {
    await using pool = await stranger.own({
      handler: (work) => completed(work, { n: work.task.payload['n'] }),
    })
    const id = unique('batch')
    const tasks = Array.from({ length: 200 }, (_, n) => task(pool, { payload: { n } }))
    await stranger.store(`task.submitted.normal.${id}`, tasks)
    for (let n = 0; n < 200; n++)
      expect(await stranger.resultOf(`${id}-${n}`)).toMatchObject({ status: 'completed', output: { n } })
    expect(pool.ids().sort()).toEqual(tasks.map((_, n) => `${id}-${n}`).sort())
    expect(pool.peak).toBeLessThanOrEqual(10)
  })

  test('tasks of a batch may carry the ids that are theirs', async () => {
    await using pool = await stranger.own()
    const id = unique('batch')
    await stranger.store(`task.submitted.high.${id}`, [
      task(pool, { task_id: `${id}-0`, priority: 20 }),
      task(pool, { task_id: `${id}-1`, priority: 20 }),
    ])
    for (const n of [0, 1])
      expect(await stranger.resultOf(`${id}-${n}`)).toMatchObject({ status: 'completed' })
  })

  test('a batch of one is a batch', async () => {
    await using pool = await stranger.own()
    const id = unique('batch')
    await stranger.store(`task.submitted.normal.${id}`, [task(pool)])
    expect(await stranger.resultOf(`${id}-0`)).toMatchObject({ status: 'completed' })
  })

  test('what is no task in a batch is recorded and fails; the others run', async () => {
    await using pool = await stranger.own()
    const rejected = await stranger.listen('task.rejected')
    const id = unique('batch')
    await stranger.store(`task.submitted.normal.${id}`, [
      task(pool),
      { task_type: '', payload: 1, mark: id },
      task(pool),
    ])
    expect(await stranger.resultOf(`${id}-0`)).toMatchObject({ status: 'completed' })
    expect(await stranger.resultOf(`${id}-1`)).toMatchObject({ status: 'failed', pool_name: null })
    expect(await stranger.resultOf(`${id}-2`)).toMatchObject({ status: 'completed' })
    await until(() => rejected.some((rejection) => String(rejection['received']).includes(id)))
  })

  test.each([
    ['no tasks', () => []],
    ['201 tasks', () => Array.from({ length: 201 }, () => ({ task_type: 'x', payload: {} }))],
    ['a number', () => 7],
  ])('a message with %s is rejected, and the lane goes on', async (_, body) => {
    await using pool = await stranger.own()
    const rejected = await stranger.listen('task.rejected')
    await stranger.store(`task.submitted.normal.${unique('bad')}`, JSON.stringify(body()))
    await until(() => rejected.length > 0)
    expect(rejected[0]).toMatchObject({ error: { code: 'INVALID_INPUT' }, at: expect.any(String) })
    expect(await stranger.run(pool.task)).toMatchObject({ status: 'completed' })
  })

  test('with Nats-Expected-Last-Subject-Sequence: 0 a second submission of a pending id is refused', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const id = unique('once')
    const once = { 'Nats-Expected-Last-Subject-Sequence': '0' }
    const subject = `task.submitted.normal.${id}`
    const first = await stranger.store(subject, task(pool, { task_id: id }), once)
    expect(first).toMatchObject({ stream: 'TASKS' })
    const second = await stranger.store(subject, task(pool, { task_id: id }), once)
    expect(second).toMatchObject({ error: { code: 400 } })
    open.open()
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    expect(pool.ids().filter((other) => other === id)).toHaveLength(1)
  })
})

describe('Poolmesh-Notify', () => {
  const hears = (heard: (Result | Result[])[]): Result[] => heard.flat()

  test('the submitter hears its own results there, and nobody else’s', async () => {
    await using pool = await stranger.own()
    const subject = unique('notify.me')
    const heard = await stranger.listen<Result | Result[]>(subject)
    const others = await stranger.submit(pool.task)
    const mine = await stranger.submit(pool.task, { 'Poolmesh-Notify': subject })
    await until(() => hears(heard).some((result) => result.task_id === mine))
    await stranger.resultOf(others)
    expect(hears(heard).map((result) => result.task_id)).toEqual([mine])
    expect(hears(heard)[0]).toMatchObject({ status: 'completed', pool_name: pool.name })
  })

  test('what is told is stored already', async () => {
    await using pool = await stranger.own()
    const subject = unique('notify.stored')
    const id = unique('t')
    const { promise, resolve } = Promise.withResolvers<Result | null>()
    stranger.nc.subscribe(subject, { callback: () => void stranger.stored(id).then(resolve) })
    await stranger.submit({ ...pool.task, task_id: id }, { 'Poolmesh-Notify': subject })
    expect(await promise).toMatchObject({ task_id: id, status: 'completed' })
  })

  test('ahead: the result comes while it is being stored, and the broker says under the same number that it is', async () => {
    await using pool = await stranger.own()
    const below = `_INBOX.${unique('ahead').replaceAll('.', '-')}.ahead`
    const told = new Map<string, string>()
    const stored = new Map<string, { seq?: number }>()
    stranger.nc.subscribe(`${below}.>`, {
      callback: (_, message) => {
        const [kind = '', writer, number] = message.subject.slice(below.length + 1).split('.')
        if (kind === 'stored') stored.set(`${writer}.${number}`, message.json())
        else told.set(`${writer}.${number}`, message.string())
      },
    })
    const id = unique('t')
    await stranger.submit({ ...pool.task, task_id: id }, { 'Poolmesh-Notify': `${below}.many` })
    await until(() => stored.size > 0 && told.size > 0)
    const [[key, ack] = []] = stored
    expect([...told.keys()]).toEqual([key])
    const { message } = await stranger.ask<{ message: { subject: string; data: string } }>(
      '$JS.API.STREAM.MSG.GET.RESULTS',
      { seq: ack?.seq },
    )
    expect(message.subject).toBe(`task.completed.${id}`)
    expect(told.get(String(key))).toBe(Buffer.from(message.data, 'base64').toString())
  })

  test('all tasks of a batch are told', async () => {
    await using pool = await stranger.own()
    const subject = unique('notify.batch')
    const heard = await stranger.listen<Result | Result[]>(subject)
    const id = unique('batch')
    const tasks = Array.from({ length: 20 }, () => ({ task_type: 'x', payload: {}, ...pool.task }))
    await stranger.store(`task.submitted.normal.${id}`, tasks, { 'Poolmesh-Notify': subject })
    await until(() => hears(heard).length >= 20)
    expect(new Set(hears(heard).map((result) => result.task_id)).size).toBe(20)
  })

  test.each(['failed', 'cancelled', 'timeout', 'rejected'])(
    'a task that ends %s is told too',
    async (how) => {
      const subject = unique('notify.bad')
      const heard = await stranger.listen<Result | Result[]>(subject)
      const id = unique('t')
      await using pool = await stranger.own({
        handler: (work) => ({ task_id: work.task.task_id, status: 'failed', error: 'no' }),
      })
      const nobody = { required_capabilities: [unique('nobody')] }
      const tasks: Record<string, Json> = {
        failed: pool.task,
        cancelled: nobody,
        timeout: { ...nobody, queue_timeout: 1 },
        rejected: { timeout: -1 },
      }
      await stranger.submit({ ...tasks[how], task_id: id }, { 'Poolmesh-Notify': subject })
      if (how === 'cancelled') await stranger.ask('task.cancel', { task_id: id })
      await until(() => hears(heard).length > 0)
      expect(hears(heard)[0]).toMatchObject({ task_id: id, status: how === 'rejected' ? 'failed' : how })
    },
  )
})

describe('one id in a batch and alone', () => {
  const both = async (first: 'alone' | 'batch') => {
    await using pool = await stranger.own({ handler: (work) => failed(work, 'once') })
    const batch = unique('two')
    const submitBatch = () =>
      stranger.store(`task.submitted.normal.${batch}`, [
        { task_type: 'x', payload: {}, ...pool.task },
        { task_type: 'x', payload: {}, ...pool.task },
      ])
    const submitAlone = () => stranger.submit({ task_id: `${batch}-1`, ...pool.task })
    if (first === 'alone') await submitAlone()
    else await submitBatch()
    await stranger.resultOf(`${batch}-1`)
    pool.handler = (work) => completed(work, {})
    if (first === 'alone') await submitBatch()
    else await submitAlone()
    await stranger.run(pool.task)
    if (first === 'alone') await stranger.resultOf(`${batch}-0`)
    expect(pool.ids().filter((id) => id === `${batch}-1`)).toHaveLength(1)
    expect(stranger.resultsOf(`${batch}-1`)).toMatchObject([{ status: 'failed' }])
    expect(await stranger.status(`${batch}-1`)).toMatchObject({ status: 'failed' })
  }

  test('alone after the batch: not run again', () => both('batch'))
  test('in a batch after it was alone: not run again, and the others are', () => both('alone'))

  test('pending both ways: run once', async () => {
    const capability = unique('later')
    const batch = unique('two')
    const task = { task_type: 'x', payload: {}, required_capabilities: [capability] }
    await stranger.submit({ task_id: `${batch}-0`, ...task })
    await stranger.store(`task.submitted.normal.${batch}`, [task, task])
    await stranger.untilStatus(`${batch}-1`, 'pending')
    await using pool = await stranger.pool(unique('pool'), { capabilities: [capability] })
    await stranger.resultOf(`${batch}-0`)
    await stranger.resultOf(`${batch}-1`)
    await stranger.run(task)
    expect(pool.ids().filter((id) => id.startsWith(batch))).toHaveLength(2)
    expect(stranger.resultsOf(`${batch}-0`)).toHaveLength(1)
  })
})
