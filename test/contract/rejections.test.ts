// Contract, promise 6: malformed input from any side is answered or recorded with a reason, and never stops a service.
import { connect } from 'node:net'
import { until } from '@poolmesh/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  gate,
  type Json,
  type PlainPool,
  RFC3339_UTC,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
let good: PlainPool & { task: Json }
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
  good = await stranger.own()
})
afterAll(() => running?.[Symbol.asyncDispose]())

// Whatever a test has done to them: the services go on.
afterEach(async () => {
  expect(await stranger.run(good.task)).toMatchObject({ status: 'completed', pool_name: good.name })
  const fanOut = { fan_out: { pools: [good.name], aggregation: 'all_success' } }
  expect(await stranger.run(fanOut)).toMatchObject({ status: 'completed' })
  for (const subject of ['pool.stats', 'health.stats'])
    expect(await stranger.ask(subject)).not.toHaveProperty('error')
})

interface Rejection extends Json {
  error: { code: string; message: string; issues: { path: string; message: string }[] }
  received: string
  at: string
}

const deep = (opening: string, depth = 10_000): string =>
  `${opening.repeat(depth)}${opening === '[' ? '' : '1'}${(opening === '[' ? ']' : '}').repeat(depth)}`
const taskText = (task_id: string, inside: string): string =>
  `{"task_id":"${task_id}","task_type":"x","payload":{"deep":${inside}},"required_capabilities":${JSON.stringify(good.task['required_capabilities'])}}`

/** Publishes to task.submitted what is no task, and waits until that is recorded. */
async function rejectionOf(body: string | Uint8Array, mark: string): Promise<Rejection> {
  const rejected = await stranger.listen<Rejection>('task.rejected')
  const ack = await stranger.store('task.submitted', body)
  expect(ack).toMatchObject({ stream: 'TASKS' })
  const rejection = await until(
    () => rejected.find(({ received }) => received.includes(mark)),
    'the rejection',
  )
  expect(rejection).toMatchObject({
    error: {
      code: expect.stringMatching(/^[A-Z_]+$/),
      message: expect.stringMatching(/./),
      issues: expect.any(Array),
    },
    at: expect.stringMatching(RFC3339_UTC),
  })
  return rejection
}

describe('published to task.submitted', () => {
  test.each<[string, (mark: string) => string]>([
    ['text', (mark) => `hello ${mark}`],
    ['half an object', (mark) => `{"task_type":"${mark}","payload":{`],
    ['trailing commas', (mark) => `{"task_type":"${mark}","payload":{},}`],
    ['two objects', (mark) => `{"task_type":"${mark}","payload":{}}{}`],
  ])('what is not JSON is recorded: %s', async (_, body) => {
    const mark = unique('mark')
    const rejection = await rejectionOf(body(mark), mark)
    expect(rejection.error.code).toBe('INVALID_JSON')
    expect(rejection.received).toBe(body(mark))
  })

  test('bytes that are no UTF-8, and nothing at all', async () => {
    const mark = unique('mark')
    const bytes = Buffer.concat([Buffer.from(`${mark}{"a":`), Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28])])
    expect((await rejectionOf(bytes, mark)).error.code).toBe('INVALID_JSON')
    expect((await rejectionOf('', '')).error.code).toBe('INVALID_JSON')
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 42],
    ['a text', 'task'],
    ['an array', [{ task_type: 'x', payload: {} }]],
    ['an empty object', {}],
  ])('JSON of the wrong shape is recorded: %s', async (_, value) => {
    const rejected = await stranger.listen<Rejection>('task.rejected')
    await stranger.store('task.submitted', JSON.stringify(value))
    const rejection = await until(() => rejected.find(({ received }) => received === JSON.stringify(value)))
    expect(rejection.error.code).toBe('INVALID_INPUT')
    expect(rejection.error.issues.length).toBeGreaterThan(0)
  })

  test.each<[string, Json, string]>([
    ['no type', { task_type: undefined }, 'task_type'],
    ['an empty type', { task_type: '' }, 'task_type'],
    ['a type of 129 characters', { task_type: 'x'.repeat(129) }, 'task_type'],
    ['no payload', { payload: undefined }, 'payload'],
    ['a text for a payload', { payload: 'text' }, 'payload'],
    ['a list for a payload', { payload: [] }, 'payload'],
    ['null for a payload', { payload: null }, 'payload'],
    ['a timeout of 0', { timeout: 0 }, 'timeout'],
    ['a timeout of 3601 s', { timeout: 3601 }, 'timeout'],
    ['a timeout of half a second', { timeout: 0.5 }, 'timeout'],
    ['a timeout in words', { timeout: '30' }, 'timeout'],
    ['a priority of -1', { priority: -1 }, 'priority'],
    ['a priority of 101', { priority: 101 }, 'priority'],
    ['a fraction of a priority', { priority: 5.5 }, 'priority'],
    ['a queue_timeout of 0', { queue_timeout: 0 }, 'queue_timeout'],
    ['a queue_timeout of more than a week', { queue_timeout: 604_801 }, 'queue_timeout'],
    ['no attempts', { max_attempts: 0 }, 'max_attempts'],
    ['21 attempts', { max_attempts: 21 }, 'max_attempts'],
    ['idempotent in words', { idempotent: 'yes' }, 'idempotent'],
    ['a not_before that is no time', { not_before: 'tomorrow' }, 'not_before'],
    ['a pool with a dot', { pool: 'a.b' }, 'pool'],
    ['an unknown strategy', { routing_strategy: 'random' }, 'routing_strategy'],
    ['capabilities that are no list', { required_capabilities: 'python' }, 'required_capabilities'],
    ['a capability that is no text', { required_capabilities: [1] }, 'required_capabilities'],
    ['metadata that is no object', { metadata: 'x' }, 'metadata'],
    ['an unknown aggregation', { fan_out: { pools: 'all', aggregation: 'loudest' } }, 'fan_out'],
  ])('%s: recorded, and with a readable task_id it ends as failed', async (_, changes, path) => {
    const task_id = unique('bad')
    const body = JSON.stringify({ task_id, task_type: 'x', payload: {}, ...changes })
    const rejection = await rejectionOf(body, task_id)
    expect(rejection.error.code).toBe('INVALID_INPUT')
    expect(rejection.error.issues.map((issue) => issue.path.split('.')[0])).toContain(path)
    const result = await stranger.resultOf(task_id)
    expect(result).toMatchObject({
      task_id,
      pool_name: null,
      status: 'failed',
      output: null,
      metadata: { reason: 'INVALID_INPUT' },
    })
    expect(result.error).toBeTruthy()
    expect(await stranger.status(task_id)).toMatchObject({ status: 'failed' })
    expect(await stranger.stored(task_id)).toMatchObject({ status: 'failed' })
  })

  test.each([
    ['a dot', 'a.b'],
    ['a space', 'a b'],
    ['*', '*'],
    ['>', '>'],
    ['65 characters', 'x'.repeat(65)],
    ['nothing', ''],
    ['a line break', 'a\nb'],
    ['an umlaut', 'ä'],
  ])('an id with %s: recorded', async (_, task_id) => {
    const mark = unique('mark')
    const body = JSON.stringify({ task_id, task_type: mark, payload: {} })
    const rejection = await rejectionOf(body, mark)
    expect(rejection.error).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: 'task_id' }] })
  })

  test.each<[string, unknown]>([
    ['a number', 7],
    ['null', null],
    ['an object', { id: 'x' }],
  ])('an id that is %s: recorded', async (_, task_id) => {
    const mark = unique('mark')
    const rejection = await rejectionOf(JSON.stringify({ task_id, task_type: mark, payload: {} }), mark)
    expect(rejection.error.issues.map((issue) => issue.path)).toContain('task_id')
  })

  test('an id of 64 characters is one', async () => {
    const task_id = unique('x'.repeat(55))
    expect(task_id).toHaveLength(64)
    expect(await stranger.run({ ...good.task, task_id })).toMatchObject({ task_id, status: 'completed' })
  })

  test('received has the first 4 KiB, also when that cuts a character in two', async () => {
    const mark = unique('mark')
    const rejection = await rejectionOf(`${mark}${'ü'.repeat(10_000)}`, mark)
    expect(Buffer.byteLength(rejection.received)).toBeLessThanOrEqual(4_100)
    expect(Buffer.byteLength(rejection.received)).toBeGreaterThanOrEqual(4_090)
    expect(rejection.received.startsWith(`${mark}üüü`)).toBe(true)
  })

  test('it is stored too', async () => {
    const mark = unique('mark')
    await rejectionOf(`no task ${mark}`, mark)
    const found: string[] = []
    const messages = await stranger.jsm.direct.getBatch('REJECTED', {
      seq: 1,
      next_by_subj: 'task.rejected',
      batch: 10_000,
    })
    for await (const message of messages) if (message.string().includes(mark)) found.push(message.subject)
    expect(found).toEqual(['task.rejected'])
  })

  test('a bad task with the id of one that runs does not end that one', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, { mine: 1 })),
    })
    const task_id = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    await rejectionOf(JSON.stringify({ task_id, task_type: '', payload: {} }), task_id)
    await stranger.run(good.task)
    expect(stranger.resultsOf(task_id)).toHaveLength(0)
    open.open()
    expect(await stranger.resultOf(task_id)).toMatchObject({ status: 'completed', output: { mine: 1 } })
    expect(stranger.resultsOf(task_id)).toHaveLength(1)
  })

  test('keys named __proto__ are fields like any other, and change nothing', async () => {
    await using pool = await stranger.own({
      handler: (work) =>
        `{"task_id":"${work.task.task_id}","status":"completed","__proto__":{"polluted":2},"output":{"__proto__":{"polluted":3},"ok":true}}`,
    })
    const task_id = unique('proto')
    const capability = pool.task['required_capabilities'] as string[]
    const body = `{"task_id":"${task_id}","task_type":"x","__proto__":{"polluted":1,"timeout":0},"payload":{"__proto__":{"polluted":1},"a":1},"metadata":{"__proto__":{"region":"x"},"constructor":{"prototype":{"polluted":1}}},"required_capabilities":${JSON.stringify(capability)}}`
    await stranger.store('task.submitted', body)
    expect(await stranger.resultOf(task_id)).toMatchObject({ status: 'completed' })
    const text = pool.received[0]?.message.string() ?? ''
    expect(text).toContain('"payload":{"__proto__":{"polluted":1},"a":1}')
    expect(text).toContain('"__proto__":{"polluted":1,"timeout":0}')
    const stored = await stranger.jsm.direct.getMessage('RESULTS', {
      last_by_subj: `task.completed.${task_id}`,
    })
    expect(stored?.string()).toContain('"output":{"__proto__":{"polluted":3},"ok":true}')
    expect(({} as Json)['polluted']).toBeUndefined()
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '-', '_'])(
    '%s is an id, a pool and a capability like any other',
    async (name) => {
      await using pool = await stranger.pool(name, { capabilities: [name] })
      const task = { required_capabilities: [name] }
      await stranger.fitting(task, [name])
      expect(await stranger.run({ ...task, task_id: name })).toMatchObject({
        task_id: name,
        status: 'completed',
        pool_name: name,
      })
      expect(
        await stranger.run({
          ...task,
          metadata: { affinity_key: name },
          routing_strategy: 'affinity',
          task_type: name,
        }),
      ).toMatchObject({ status: 'completed' })
      expect(await stranger.ask('pool.get', { name })).toMatchObject({ name })
      const stats = (await stranger.reply('pool.stats')).string()
      expect(stats).toContain(`"${name}":1`)
      expect((await stranger.reply('health.check', { name })).string()).toContain(`"${name}":{`)
      expect(pool.received.length).toBeGreaterThanOrEqual(2)
    },
  )

  test('the same id many times at once: one run, one result', async () => {
    await using pool = await stranger.own()
    const task_id = unique('dup')
    const body = JSON.stringify({ task_id, task_type: 'x', payload: {}, ...pool.task })
    await Promise.all(Array.from({ length: 30 }, () => stranger.store('task.submitted', body)))
    expect(await stranger.resultOf(task_id)).toMatchObject({ status: 'completed' })
    await stranger.run(pool.task)
    await stranger.run(pool.task)
    expect(pool.ids().filter((id) => id === task_id)).toHaveLength(1)
    expect(stranger.resultsOf(task_id)).toHaveLength(1)
  })

  test('the same id again after the end: the stored result stands, whatever comes', async () => {
    await using pool = await stranger.own({ handler: (work) => completed(work, { first: true }) })
    const task_id = await stranger.submit(pool.task)
    const first = await stranger.resultOf(task_id)
    pool.handler = (work) => completed(work, { first: false })
    await stranger.submit({ ...pool.task, task_id, payload: { other: true } })
    await rejectionOf(JSON.stringify({ task_id, task_type: 7, payload: {} }), task_id)
    await stranger.run(pool.task)
    await stranger.run(pool.task)
    expect(await stranger.stored(task_id)).toEqual(first)
    expect(stranger.resultsOf(task_id)).toHaveLength(1)
  })

  test('10,000 required capabilities: the task waits for such a pool, and can be asked about', async () => {
    const required_capabilities = Array.from({ length: 10_000 }, (_, i) => `capability-${i}`)
    const id = await stranger.submit({ required_capabilities, queue_timeout: 2 })
    const explained = await stranger.explain({ task_id: id })
    expect(explained.waiting_for).toBeTruthy()
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'timeout',
      metadata: { reason: 'QUEUE_TIMEOUT' },
    })
  })

  test.each(['[', '{"a":'])('JSON that is nested ten thousand deep: %s', async (opening) => {
    const task_id = unique('deep')
    const rejection = await rejectionOf(taskText(task_id, deep(opening)), task_id)
    expect(rejection.error.code).toBe('INVALID_INPUT')
    expect(await stranger.resultOf(task_id)).toMatchObject({
      status: 'failed',
      metadata: { reason: 'INVALID_INPUT' },
    })
  })

  test('JSON that is nested a hundred deep, and brackets in texts, are nothing special', async () => {
    await using pool = await stranger.own({ handler: (work) => completed(work, work.task.payload) })
    const payload = { text: `${'['.repeat(5_000)}\\" \\\\`, nested: JSON.parse(deep('[', 100)) }
    expect(await stranger.run({ ...pool.task, payload })).toMatchObject({
      status: 'completed',
      output: payload,
    })
  })
})

describe('large messages', () => {
  test('2 MiB: the broker takes no such message, and the sender is told', async () => {
    const { hostname, port } = new URL(stranger.url)
    const socket = connect(Number(port), hostname)
    const said: string[] = []
    socket.on('data', (data) => said.push(data.toString()))
    socket.on('error', () => {})
    const body = JSON.stringify({ task_type: 'x', payload: { blob: 'x'.repeat(2 * 1024 * 1024) } })
    // The announced size alone is refused. A body behind it would make the server reset the connection, which loses
    // what it said.
    socket.write(`CONNECT {"verbose":false}\r\nPUB task.submitted ${body.length}\r\n`)
    await until(() => /Maximum Payload Violation/i.test(said.join('')))
    socket.destroy()
    await expect(stranger.store('task.submitted', body)).rejects.toThrow()
  })

  test('a payload of 900 KiB is handed on whole', async () => {
    await using pool = await stranger.own({
      handler: (work) => completed(work, { size: String(work.task.payload['blob']).length }),
    })
    const result = await stranger.run({ ...pool.task, payload: { blob: 'x'.repeat(900 * 1024) } })
    expect(result).toMatchObject({ status: 'completed', output: { size: 900 * 1024 } })
  })

  test('one that is too large with its defaults ends too, and so does an answer that is', async () => {
    const limit = stranger.nc.info?.max_payload ?? 0
    const task_id = unique('big')
    const task = (blob: string) =>
      JSON.stringify({ task_id, task_type: 'x', ...good.task, payload: { blob } })
    await stranger.store('task.submitted', task('x'.repeat(limit - task('').length)))
    expect(await stranger.resultOf(task_id)).toMatchObject({
      task_id,
      status: expect.stringMatching(/completed|failed/),
    })
    await using pool = await stranger.own({
      handler: (work) => {
        const answer = (blob: string) =>
          JSON.stringify({ task_id: work.task.task_id, status: 'completed', output: { blob } })
        return answer('x'.repeat(limit - answer('').length))
      },
    })
    expect(await stranger.run(pool.task)).toMatchObject({ pool_name: pool.name, status: 'completed' })
  })

  test('a batch of more than 256 KiB ends as well, task by task or as a whole', async () => {
    const rejected = await stranger.listen<Rejection>('task.rejected')
    const batch = unique('batch')
    const tasks = Array.from({ length: 5 }, () => ({
      task_type: batch,
      payload: { blob: 'x'.repeat(100 * 1024) },
      ...good.task,
    }))
    await stranger.store(`task.submitted.normal.${batch}`, tasks)
    await until(
      () =>
        rejected.some(({ received }) => received.includes(batch)) ||
        tasks.every((_, i) => stranger.resultsOf(`${batch}-${i}`).length === 1),
    )
  })
})

describe('published to a lane', () => {
  const lane = (id: string) => `task.submitted.normal.${id}`

  test('what is not JSON is recorded, and ends as failed: the subject has its id', async () => {
    const rejected = await stranger.listen<Rejection>('task.rejected')
    const id = unique('bad')
    await stranger.store(lane(id), `no JSON ${id}`)
    await until(() => rejected.some(({ received }) => received.includes(id)))
    expect(await stranger.resultOf(id)).toMatchObject({
      task_id: id,
      status: 'failed',
      metadata: { reason: 'INVALID_JSON' },
    })
  })

  test('another id inside than in the subject', async () => {
    const rejected = await stranger.listen<Rejection>('task.rejected')
    const id = unique('outside')
    await stranger.store(lane(id), { task_id: unique('inside'), task_type: 'x', payload: {}, ...good.task })
    await until(() => rejected.some(({ received }) => received.includes('inside')))
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'failed' })
  })

  test('nested ten thousand deep: alone, in a batch, in the lane fanout', async () => {
    const [id, batch, fan] = [unique('deep'), unique('deep'), unique('deep')]
    await stranger.store(lane(id), taskText(id, deep('[')))
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'failed',
      metadata: { reason: 'INVALID_INPUT' },
    })
    await stranger.store(`task.submitted.fanout.${fan}`, taskText(fan, deep('[')))
    expect(await stranger.resultOf(fan)).toMatchObject({ status: 'failed' })
    const rejected = await stranger.listen<Rejection>('task.rejected')
    await stranger.store(lane(batch), `[${taskText(`${batch}-0`, deep('['))}]`)
    await until(() => rejected.some(({ received }) => received.includes(batch)))
  })

  test.each([
    ['normal', (task: Json) => task],
    ['fanout', (task: Json) => ({ ...task, fan_out: { pools: [good.name], aggregation: 'majority' } })],
    ['normal', (task: Json) => [task, task]],
  ])('an id in the subject that is none, or makes none: %s', async (name, body) => {
    const rejected = await stranger.listen<Rejection>('task.rejected')
    const mark = unique('mark')
    await stranger.store(
      `task.submitted.${name}.${'x'.repeat(65)}`,
      body({ task_type: mark, payload: {}, ...good.task }),
    )
    await until(() => rejected.some(({ received }) => received.includes(mark)))
    expect(good.received.some((work) => work.task['task_type'] === mark)).toBe(false)
  })

  test('a lane that does not exist: not acknowledged, or it ends all the same', async () => {
    const id = unique('lost')
    const ack = await stranger
      .store(`task.submitted.bogus.${id}`, { task_id: id, task_type: 'x', payload: {}, ...good.task })
      .catch(() => null)
    if (ack?.['stream']) expect(await stranger.resultOf(id)).toMatchObject({ task_id: id })
  })

  test('an ordinary task in the lane fanout ends too', async () => {
    const id = unique('plain')
    await stranger.store(`task.submitted.fanout.${id}`, {
      task_id: id,
      task_type: 'x',
      payload: {},
      ...good.task,
    })
    expect(await stranger.resultOf(id)).toMatchObject({ task_id: id })
  })

  test('no JSON in the lane fanout ends too', async () => {
    const id = unique('plain')
    await stranger.store(`task.submitted.fanout.${id}`, '{{{')
    expect(await stranger.resultOf(id)).toMatchObject({ task_id: id, status: 'failed' })
  })
})

describe('requests', () => {
  const withFields = [
    'task.result',
    'task.status',
    'task.cancel',
    'task.explain',
    'task.distribute',
    'pool.register',
    'pool.deregister',
    'pool.get',
    'health.history',
  ]
  const without = [
    'pool.list',
    'pool.stats',
    'pool.discover',
    'health.check',
    'health.stats',
    'executor.stats',
  ]

  test.each([...withFields, ...without])(
    '%s refuses what is not JSON, and JSON of the wrong shape',
    async (subject) => {
      expect(await stranger.refusal(subject, 'not JSON')).toMatchObject({ code: 'INVALID_JSON' })
      for (const body of ['[]', '7', '"text"', 'null'])
        expect(await stranger.refusal(subject, body)).toMatchObject({ code: 'INVALID_INPUT' })
    },
  )

  test.each(withFields)('%s refuses a request without its fields', async (subject) => {
    for (const body of ['', '{}'])
      expect(await stranger.refusal(subject, body)).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test.each(['task.result', 'task.status', 'task.cancel', 'task.explain'])(
    '%s refuses ids that are none',
    async (subject) => {
      for (const task_id of ['a.b', 'a b', '*', '>', '', 'x'.repeat(65), 7, null, ['a']]) {
        const refusal = await stranger.refusal(subject, { task_id })
        expect(refusal).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: 'task_id' }] })
      }
    },
  )

  test.each(['task.result', 'task.status', 'task.cancel', 'task.explain'])(
    '%s of an unknown task is NOT_FOUND',
    async (subject) => {
      expect(await stranger.refusal(subject, { task_id: unique('never') })).toMatchObject({
        code: 'NOT_FOUND',
      })
      // Of the form of a task in a batch that is not there.
      expect(await stranger.refusal(subject, { task_id: `${unique('never')}-3` })).toMatchObject({
        code: 'NOT_FOUND',
      })
    },
  )

  test('unknown fields of a request are no error', async () => {
    expect(await stranger.ask('pool.get', { name: good.name, later: { version: 2 } })).toMatchObject({
      name: good.name,
    })
    expect(await stranger.ask('pool.list', { later: 1 })).toHaveProperty('pools')
  })

  test('a request without a reply subject does no harm', async () => {
    for (const subject of [...withFields, ...without])
      for (const body of ['', 'not JSON', '{}']) stranger.nc.publish(subject, body)
    await stranger.nc.flush()
  })

  test('requests that are nested ten thousand deep', async () => {
    for (const subject of [
      'pool.register',
      'pool.list',
      'task.explain',
      'task.distribute',
      'task.status',
      'health.check',
    ])
      expect(
        await stranger.refusal(subject, `{"name":"x","metadata":{"deep":${deep('{"a":')}}}`),
      ).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('pool.register: no workers, a bad URL, 10,000 capabilities, __proto__', async () => {
    const name = unique('bad')
    const refuse = (changes: Json) =>
      stranger.refusal('pool.register', { name, pool_type: 'nats', ...changes })
    expect(await refuse({ max_workers: 0 })).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: 'max_workers' }],
    })
    expect(await refuse({ pool_type: 'mahavishnu', endpoint: 'http//x' })).toMatchObject({
      issues: [{ path: 'endpoint' }],
    })
    expect(await refuse({ capabilities: Array.from({ length: 10_000 }, (_, i) => `c${i}`) })).toMatchObject({
      issues: [{ path: 'capabilities' }],
    })
    expect(await stranger.refusal('pool.get', { name })).toMatchObject({ code: 'NOT_FOUND' })
    const reply = await stranger.reply(
      'pool.register',
      `{"name":"${name}","pool_type":"nats","__proto__":{"max_workers":0},"metadata":{"__proto__":{"x":1}}}`,
    )
    expect(reply.json()).toMatchObject({ name, max_workers: 10 })
    await stranger.ask('pool.deregister', { name })
  })
})

describe('pools that misbehave', () => {
  test('heartbeats of a pool that is not there, and heartbeats that are none', async () => {
    const name = unique('ghost')
    stranger.nc.publish(`pool.heartbeat.${name}`, '{"current_workers":3,"queue_size":0}')
    for (const body of [
      '',
      'no JSON',
      '[]',
      'null',
      '{}',
      '{"current_workers":-1}',
      '{"current_workers":"many"}',
      '{"current_workers":1e999}',
    ])
      stranger.nc.publish(`pool.heartbeat.${good.name}`, body)
    stranger.nc.publish('pool.heartbeat.__proto__', '{"current_workers":3}')
    await stranger.nc.flush()
    expect(await stranger.refusal('pool.get', { name })).toMatchObject({ code: 'NOT_FOUND' })
    expect(await stranger.ask('pool.get', { name: good.name })).toMatchObject({
      name: good.name,
      is_available: true,
    })
  })

  test('a result for a task that is not, and for one of somebody else', async () => {
    const open = gate()
    await using victim = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, { true: 'one' })),
    })
    const theirs = await stranger.submit(victim.task)
    await until(() => victim.received.length === 1)
    await using pool = await stranger.own({
      handler: (work) => ({ ...completed(work, {}), task_id: theirs }),
    })
    expect(await stranger.run(pool.task)).toMatchObject({
      status: 'failed',
      metadata: { reason: 'INVALID_RESULT' },
    })
    const [work] = pool.received
    for (const task_id of [unique('never'), theirs, '__proto__', 'a.b', 7])
      work?.message.respond(JSON.stringify({ task_id, status: 'completed', output: { forged: true } }))
    await pool.nc.flush()
    await stranger.run(good.task)
    open.open()
    expect(await stranger.resultOf(theirs)).toMatchObject({ status: 'completed', output: { true: 'one' } })
    expect(stranger.resultsOf(theirs)).toHaveLength(1)
  })

  test('a reply twice, and once more when the task has ended: the first stands', async () => {
    await using pool = await stranger.own({
      handler: (work) => {
        work.message.respond(JSON.stringify(completed(work, { answer: 1 })))
        work.message.respond(JSON.stringify(completed(work, { answer: 2 })))
        return completed(work, { answer: 3 })
      },
    })
    const id = await stranger.submit(pool.task)
    expect(await stranger.resultOf(id)).toMatchObject({ output: { answer: 1 } })
    const [work] = pool.received
    if (work)
      work.message.respond(JSON.stringify({ task_id: id, status: 'failed', error: 'changed my mind' }))
    await pool.nc.flush()
    await stranger.run(pool.task)
    expect(stranger.resultsOf(id)).toHaveLength(1)
    expect(await stranger.stored(id)).toMatchObject({ status: 'completed', output: { answer: 1 } })
  })

  test.each<[string, unknown]>([
    ['no JSON', 'done!'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['a list of two', '[{"status":"completed"},{"status":"completed"}]'],
    ['a text', '"completed"'],
    ['no status', { output: {} }],
    ['an unknown status', { status: 'great' }],
    ['a status that is no end', { status: 'running' }],
    ['a text for an output', { status: 'completed', output: 'text' }],
    ['a list for an output', { status: 'completed', output: [1] }],
    ['an object for an error', { status: 'failed', error: { message: 'x' } }],
    ['a negative duration', { status: 'completed', duration: -1 }],
    ['an id that is none', { task_id: 'a.b', status: 'completed' }],
    ['an output nested ten thousand deep', `{"status":"completed","output":{"deep":${deep('[')}}}`],
  ])('%s for an answer: the task is failed, INVALID_RESULT', async (_, answer) => {
    await using pool = await stranger.own({ handler: () => answer })
    const result = await stranger.run(pool.task)
    expect(result).toMatchObject({
      status: 'failed',
      pool_name: pool.name,
      output: null,
      metadata: { reason: 'INVALID_RESULT', attempts: 1 },
    })
    expect(result.error).toBeTruthy()
  })

  test('nonsense for a batch’s answers, from a pool that says it takes arrays', async () => {
    const name = unique('arrays')
    const capability = unique('cap')
    await using helper = await stranger.pool(unique('helper'))
    let answers = 0
    helper.nc.subscribe(`pool.work.${name}`, {
      queue: name,
      callback: (_, message) => {
        answers++
        for (const text of ['no JSON', '[null,7,{}]', '{"task_id":"nobody","status":"completed"}'])
          message.respond(text)
        const items = message.json<{ attempt: number; task: { task_id: string } }[]>()
        message.respond(
          JSON.stringify(
            items.map(({ attempt, task }) => ({
              attempt,
              task_id: task.task_id,
              status: 'completed',
              output: {},
            })),
          ),
        )
      },
    })
    await helper.nc.flush()
    await stranger.ask('pool.register', {
      name,
      pool_type: 'nats',
      capabilities: [capability],
      metadata: { poolmesh: { batch: true } },
    })
    const batch = unique('batch')
    await stranger.store(
      `task.submitted.normal.${batch}`,
      Array.from({ length: 5 }, () => ({ task_type: 'x', payload: {}, required_capabilities: [capability] })),
    )
    for (let i = 0; i < 5; i++)
      expect(await stranger.resultOf(`${batch}-${i}`)).toMatchObject({ status: 'completed', pool_name: name })
    expect(answers).toBeGreaterThan(0)
    await stranger.ask('pool.deregister', { name })
  })
})
