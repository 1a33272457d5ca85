// The adapter of MCP pools against real MCP servers that behave, and some that do not.
import { silentLogger } from '@poolmesh/bus'
import type { Answer, Run } from '@poolmesh/core'
import { type McpFault, type McpServerOptions, McpTestServer, until } from '@poolmesh/testkit'
import { poolDescriptorSchema } from '@poolmesh/types'
import { afterEach, expect, test } from 'vitest'
import { McpAdapter } from '../src/index.ts'

type Told =
  | { kind: 'answer'; attempt: number | null; answer: Answer }
  | { kind: 'gone' | 'lost'; attempt: number }

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

function adapting(headers: Record<string, Record<string, string>> = {}) {
  const told: Told[] = []
  const adapter = new McpAdapter({
    runs: {
      answer: (_pool, _id, attempt, answer) => void told.push({ kind: 'answer', attempt, answer }),
      gone: (_pool, _id, attempt) => void told.push({ kind: 'gone', attempt }),
      // As the engine does.
      lost: (pool, id, attempt) => {
        told.push({ kind: 'lost', attempt })
        adapter.cancel(pool, id)
      },
    },
    claims: { get: async () => ({ prompt: 'from the store' }) },
    headers,
    log: silentLogger(),
  })
  stack.use(adapter)
  return {
    adapter,
    told,
    first: () => until(() => told[0], 'something to be told'),
    next: async (run: Run) => {
      const before = told.length
      adapter.add(run)
      return await until(() => told[before], 'something to be told')
    },
  }
}

interface Of {
  task?: object
  metadata?: object
  attempt?: number
  deadline?: number
}

const server = async (options: McpServerOptions) => stack.use(await McpTestServer.start(options))
const runIn = (to: { endpoint: string }, pool_type: string, of: Of = {}): Run =>
  ({
    entry: {
      task: {
        task_id: 't-1',
        task_type: 'test',
        payload: { prompt: 'say hello' },
        metadata: {},
        ...of.task,
      },
    },
    pool: {
      name: 'default',
      descriptor: poolDescriptorSchema.parse({
        name: 'default',
        pool_type,
        endpoint: to.endpoint,
        metadata: of.metadata ? { mcp: of.metadata } : {},
      }),
    },
    attempt: of.attempt ?? 1,
    startedAt: Date.now(),
    deadline: of.deadline ?? Date.now() + 120_000,
    abandoned: false,
  }) as unknown as Run

const answered = (answer: object) => ({ kind: 'answer', answer: { kind: 'answer', answer } })
const invalid = (problem: RegExp) => ({
  kind: 'answer',
  answer: { kind: 'invalid', problem: expect.stringMatching(problem) },
})
const LOST = { kind: 'lost', attempt: 1 }
const GONE = { kind: 'gone', attempt: 1 }

for (const json of [false, true])
  test(`Session-Buddy (${json ? 'JSON' : 'streams'}): a text for people is the output, and the result says that it may hide more`, async () => {
    const buddy = await server({ kind: 'session_buddy', json })
    const { next } = adapting()
    const told = await next(
      runIn(buddy, 'session_buddy', { task: { payload: { prompt: 'p', n: 1 } }, attempt: 3 }),
    )
    expect(told).toMatchObject({
      ...answered({
        status: 'completed',
        output: { text: '✅ Task executed on pool default by worker default-worker-1' },
        metadata: { mcp: { tool: 'execute_on_pool', output: 'text', note: expect.stringContaining('hide') } },
      }),
      attempt: 3,
    })
    expect(buddy.calls).toMatchObject([
      {
        tool: 'execute_on_pool',
        args: {
          pool_id: 'default',
          prompt: 'p',
          timeout: 120,
          context: { task_id: 't-1', task_type: 'test', attempt: 3, payload: { n: 1 } },
        },
      },
    ])
  })

test('the trace of a run goes along with its call', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const pool = await server({ kind: 'mahavishnu' })
  const { next } = adapting()
  await next(runIn(pool, 'mahavishnu', { task: { metadata: { traceparent } } }))
  await next(runIn(pool, 'mahavishnu', { task: { metadata: { traceparent: 'no\r\ntrace' } } }))
  const runs = pool.calls.filter(({ tool }) => tool === 'worker_execute')
  expect(runs.map(({ meta }) => meta['traceparent'])).toEqual([traceparent, undefined])
})

for (const json of [false, true])
  test(`a large answer arrives whole (${json ? 'JSON' : 'streams'})`, async () => {
    const output = 'x'.repeat(8_000_000)
    const server_ = await server({ kind: 'mahavishnu', json, handler: () => output })
    const { next } = adapting()
    expect(await next(runIn(server_, 'mahavishnu'))).toMatchObject(answered({ output: { output } }))
  })

test('an answer that is nested too deep is no result', async () => {
  const deep = JSON.parse('['.repeat(600) + ']'.repeat(600))
  const server_ = await server({ kind: 'mahavishnu', handler: () => deep })
  const { next } = adapting()
  expect(await next(runIn(server_, 'mahavishnu'))).toMatchObject(invalid(/deeper than 500/))
})

test('a text with ❌ is a failure, and says why', async () => {
  const handler = () => {
    throw new Error('no paper')
  }
  const buddy = await server({ kind: 'session_buddy', handler })
  const { next } = adapting()
  expect(await next(runIn(buddy, 'session_buddy'))).toMatchObject(
    answered({
      status: 'failed',
      error: 'Failed to execute task: no paper',
      metadata: { mcp: { failure: 'text' } },
    }),
  )
})

test('mahavishnu: a worker is made, runs what comes, and is used again', async () => {
  const server_ = await server({ kind: 'mahavishnu', handler: ({ args }) => `did ${args['prompt']}` })
  const { next } = adapting()
  const metadata = { worker_type: 'terminal-qwen' }
  const task = { payload: { a: 1 } }
  const told = await next(runIn(server_, 'mahavishnu', { metadata, task, deadline: Date.now() + 5_000 }))
  expect(told).toMatchObject(
    answered({
      status: 'completed',
      output: {
        worker_id: 'terminal-qwen-0',
        output: 'did {"task_type":"test","payload":{"a":1}}',
        exit_code: 0,
      },
      duration: 0.25,
      metadata: { mcp: { tool: 'worker_execute', output: 'structured' } },
    }),
  )
  await next(runIn(server_, 'mahavishnu', { metadata }))
  expect(server_.calls.map(({ tool, args }) => [tool, args['worker_id'], args['timeout']])).toEqual([
    ['worker_spawn', undefined, undefined],
    // What it takes at least.
    ['worker_execute', 'terminal-qwen-0', 30],
    ['worker_execute', 'terminal-qwen-0', 120],
  ])
  expect([server_.count('initialize'), server_.count('tools/list')]).toEqual([1, 1])
})

test('two runs at the same time have two workers', async () => {
  const gate = Promise.withResolvers<string>()
  const server_ = await server({ kind: 'mahavishnu', handler: () => gate.promise })
  const { adapter, told } = adapting()
  adapter.add(runIn(server_, 'mahavishnu'))
  adapter.add(runIn(server_, 'mahavishnu', { task: { task_id: 't-2' } }))
  await until(() => server_.running === 2)
  gate.resolve('done')
  await until(() => told.length === 2)
  const used = server_.calls
    .filter(({ tool }) => tool === 'worker_execute')
    .map(({ args }) => args['worker_id'])
  expect(new Set(used).size).toBe(2)
  expect(server_.count('initialize')).toBe(1)
})

test('a failure that a worker reports is told as it says it', async () => {
  const handler = () => {
    throw new Error('no paper')
  }
  const server_ = await server({ kind: 'mahavishnu', handler })
  const { next } = adapting()
  expect(await next(runIn(server_, 'mahavishnu'))).toMatchObject(
    answered({ status: 'failed', error: 'no paper', metadata: { mcp: { failure: 'status' } } }),
  )
})

test('what a tool throws is told apart from an error of the protocol', async () => {
  const server_ = await server({ kind: 'mahavishnu' })
  const { next } = adapting()
  const metadata = { worker_ids: ['nobody'] }
  expect(await next(runIn(server_, 'mahavishnu', { metadata }))).toMatchObject(
    answered({
      status: 'failed',
      error: 'Worker not found: nobody',
      metadata: { mcp: { failure: 'is_error' } },
    }),
  )
  expect(server_.calls.map(({ tool }) => tool)).toEqual(['worker_execute'])
  const refusing = await faulty('rpc_error')
  expect(await next(runIn(refusing, 'session_buddy', { task: { task_id: 't-2' } }))).toMatchObject(
    answered({
      status: 'failed',
      error: 'Unknown tool: x',
      metadata: { mcp: { failure: 'protocol', code: -32602 } },
    }),
  )
})

test('the user says which tool it is, what it is called, and what it gets', async () => {
  const server_ = await server({ kind: 'mahavishnu' })
  server_.changeTools({
    pool_execute: null,
    run_in_pool: {
      input: {},
      run: () => ({ status: 'completed', output: 'mapped' }),
    },
  })
  const { next } = adapting()
  const metadata = { use: 'pool_execute', tools: { pool_execute: 'run_in_pool' }, pool_id: 'big' }
  expect(await next(runIn(server_, 'mahavishnu', { metadata }))).toMatchObject(
    answered({
      status: 'completed',
      output: { output: 'mapped' },
      metadata: { mcp: { tool: 'run_in_pool' } },
    }),
  )
})

test("a tool of the server's own gets the payload, and its output is whatever it says", async () => {
  const server_ = await server({ kind: 'akosha' })
  const { next } = adapting()
  const metadata = { use: 'query_local_traces', arguments: { limit: 3 } }
  const task = { payload: { system_id: 'poolmesh' } }
  expect(await next(runIn(server_, 'mahavishnu', { metadata, task }))).toMatchObject(
    answered({ status: 'completed', output: { traces: [] } }),
  )
  expect(server_.calls[0]?.args).toEqual({ system_id: 'poolmesh', limit: 3 })
})

test('a server without a tool that runs tasks is no pool', async () => {
  const server_ = await server({ kind: 'akosha' })
  const { next } = adapting()
  expect(await next(runIn(server_, 'mahavishnu'))).toMatchObject(
    invalid(/none of the tools worker_execute, execute_on_pool, pool_execute/),
  )
})

test('tools that change are read again', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { next, adapter, told } = adapting()
  await next(runIn(server_, 'session_buddy'))
  // The server can only say so once it is listened to.
  await until(() => server_.requests.some(({ method }) => method === 'GET'))
  server_.changeTools({ execute_on_pool: null, pool_execute: { input: {}, run: () => ({ new: true }) } })
  await until(async () => {
    told.length = 0
    adapter.add(runIn(server_, 'session_buddy'))
    await until(() => told.length === 1)
    return JSON.stringify(told).includes('"new":true')
  })
  expect(server_.count('initialize')).toBe(1)
})

for (const forgottenStatus of [404, 400])
  test(`a session that the server has forgotten (${forgottenStatus}) is opened anew, and the task is begun once`, async () => {
    const server_ = await server({ kind: 'mahavishnu', forgottenStatus })
    const { next } = adapting()
    await next(runIn(server_, 'mahavishnu'))
    server_.forgetSessions()
    expect(await next(runIn(server_, 'mahavishnu'))).toMatchObject(answered({ status: 'completed' }))
    expect(server_.count('initialize')).toBe(2)
    expect(server_.calls.filter(({ tool }) => tool === 'worker_execute')).toHaveLength(2)
  })

test('a cancelled run is told to the server, and nothing more is told of it', async () => {
  const server_ = await server({ kind: 'session_buddy', handler: () => new Promise(() => {}) })
  const { adapter, told } = adapting()
  adapter.add(runIn(server_, 'session_buddy'))
  await until(() => server_.running === 1)
  adapter.cancel('default', 't-1')
  await until(() => server_.cancelled.length === 1)
  expect(server_.cancelled[0]?.tool).toBe('execute_on_pool')
  expect(server_.count('notifications/cancelled')).toBe(1)
  await until(() => server_.openCalls === 0)
  expect(told).toEqual([])
})

test('the worker of a cancelled run is closed and not used again', async () => {
  const server_ = await server({ kind: 'mahavishnu', handler: () => new Promise(() => {}) })
  const { adapter } = adapting()
  adapter.add(runIn(server_, 'mahavishnu'))
  await until(() => server_.running === 1)
  adapter.cancel('default', 't-1')
  const closed = await until(() => server_.calls.find(({ tool }) => tool === 'worker_close'))
  expect(closed.args).toEqual({ worker_id: 'terminal-claude-0' })
})

test('where nobody listens the task was not begun', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { endpoint } = server_
  await server_.kill()
  const { next } = adapting()
  expect(await next(runIn({ endpoint }, 'session_buddy'))).toEqual(GONE)
})

test('a server that died between two tasks did not begin the second', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { endpoint } = server_
  const { next } = adapting()
  await next(runIn({ endpoint }, 'session_buddy'))
  await server_.kill()
  expect(await next(runIn({ endpoint }, 'session_buddy'))).toEqual(GONE)
})

test('a server that cannot say what tools it has did not begin the task', async () => {
  const fault = (tool: string) => (tool === 'tools/list' ? 'reset' : null)
  const { next } = adapting()
  expect(await next(runIn(await server({ kind: 'session_buddy', fault }), 'session_buddy'))).toEqual(GONE)
})

for (const json of [false, true])
  test(`a run whose server dies in the middle of it is lost (${json ? 'JSON' : 'streams'})`, async () => {
    const server_ = await server({ kind: 'session_buddy', json, handler: () => new Promise(() => {}) })
    const { adapter, first } = adapting()
    adapter.add(runIn(server_, 'session_buddy'))
    await until(() => server_.running === 1)
    await server_.kill()
    expect(await first()).toEqual(LOST)
  })

test('an answer that can be asked for again survives a cut connection', async () => {
  const gate = Promise.withResolvers<string>()
  const server_ = await server({ kind: 'mahavishnu', resumable: true, handler: () => gate.promise })
  const { adapter, told, first } = adapting()
  adapter.add(runIn(server_, 'mahavishnu'))
  await until(() => server_.running === 1)
  await server_.cutCalls()
  const resumed = () =>
    server_.requests.filter(({ headers }) => headers['last-event-id'] !== undefined).length
  await until(() => resumed() === 1)
  server_.cutResumed()
  await until(() => resumed() === 2)
  expect(told).toEqual([])
  gate.resolve('late')
  expect(await first()).toMatchObject(answered({ status: 'completed', output: { output: 'late' } }))
  expect(server_.calls.filter(({ tool }) => tool === 'worker_execute')).toHaveLength(1)
})

test('a run whose server dies is lost also where its answer could have been asked for again', async () => {
  const server_ = await server({ kind: 'mahavishnu', resumable: true, handler: () => new Promise(() => {}) })
  const { adapter, first } = adapting()
  adapter.add(runIn(server_, 'mahavishnu'))
  await until(() => server_.running === 1)
  await server_.cutCalls()
  await until(() => server_.requests.some(({ headers }) => headers['last-event-id'] !== undefined))
  await server_.kill()
  expect(await first()).toEqual(LOST)
})

const faulty = (fault: McpFault) =>
  server({ kind: 'session_buddy', fault: (tool) => (tool === 'tools/list' ? null : fault) })

test.for<McpFault>(['reset', 'reset_mid_stream', 'end_mid_stream'])(
  '%s: it may have begun, and is lost',
  async (fault) => {
    const { next } = adapting()
    expect(await next(runIn(await faulty(fault), 'session_buddy'))).toEqual(LOST)
  },
)

test.for<[McpFault, RegExp]>([
  ['huge', /larger than \d+ bytes/],
  ['wrong_type', /content type/],
  ['not_json', /as the protocol has it/],
  ['no_message', /as the protocol has it/],
  ['redirect', /HTTP status 307, redirects are not followed/],
  ['error_500', /HTTP status 500/],
  ['unauthorized', /HTTP status 401/],
])('%s is no result, and says why', async ([fault, problem]) => {
  const server_ = await faulty(fault)
  const { next } = adapting()
  expect(await next(runIn(server_, 'session_buddy'))).toMatchObject(invalid(problem))
  expect([server_.count('tools/call'), server_.redirected]).toEqual([1, 0])
})

test('a server that is busy has refused, with the time that it asks for', async () => {
  const { next } = adapting()
  expect(await next(runIn(await faulty('busy_503'), 'session_buddy'))).toMatchObject(
    answered({ metadata: { reason: 'POOL_REFUSED', retry_after_ms: 7_000 } }),
  )
})

test('a server that never answers is told when the task is given up', async () => {
  const server_ = await faulty('never')
  const { adapter, told } = adapting()
  adapter.add(runIn(server_, 'session_buddy'))
  await until(() => server_.count('tools/call') === 1)
  adapter.cancel('default', 't-1')
  await until(() => server_.count('notifications/cancelled') === 1)
  expect(told).toEqual([])
})

test('an adapter that stands by leaves what runs alone and forgets it', async () => {
  const gate = Promise.withResolvers<string>()
  const server_ = await server({ kind: 'session_buddy', handler: () => gate.promise })
  const { adapter, told, next } = adapting()
  adapter.add(runIn(server_, 'session_buddy'))
  await until(() => server_.running === 1)
  adapter.standBy()
  gate.resolve('done')
  await until(() => server_.running === 0)
  expect(await next(runIn(server_, 'session_buddy'))).toMatchObject(answered({ status: 'completed' }))
  expect([told.length, server_.cancelled.length, server_.count('notifications/cancelled')]).toEqual([1, 0, 0])
})

test('a run that an earlier executor sent is lost, since its answer came to nobody else', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { adapter, first } = adapting()
  adapter.adopt(runIn(server_, 'session_buddy'))
  expect(await first()).toEqual(LOST)
  expect(server_.requests).toEqual([])
})

test('a session that is over is ended at the server, when nothing runs in it', async () => {
  const server_ = await server({ kind: 'mahavishnu' })
  const { adapter, next } = adapting()
  await next(runIn(server_, 'mahavishnu'))
  expect(server_.sessions).toBe(1)
  adapter[Symbol.dispose]()
  await until(() => server_.sessions === 0)
  expect(server_.calls.at(-1)?.tool).toBe('worker_close')
})

test('a payload that travels by reference arrives whole', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { next } = adapting()
  const payload_ref = { store: 'PAYLOADS', name: 'x', size: 1, sha256: '0'.repeat(64) }
  await next(runIn(server_, 'session_buddy', { task: { payload: {}, payload_ref } }))
  expect(server_.calls[0]?.args['prompt']).toBe('from the store')
})

test('headers go to the addresses that they are for, with every request, and are told to nobody', async () => {
  const handler = () => {
    throw new Error('no')
  }
  const server_ = await server({ kind: 'session_buddy', handler })
  const other = await server({ kind: 'session_buddy' })
  const { next, told } = adapting({ [server_.endpoint]: { Authorization: 'Bearer secret' } })
  await next(runIn(server_, 'session_buddy'))
  await next(runIn(other, 'session_buddy', { task: { task_id: 't-2' } }))
  expect(new Set(server_.requests.map(({ headers }) => headers.authorization))).toEqual(
    new Set(['Bearer secret']),
  )
  expect(other.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true)
  expect(JSON.stringify(told)).not.toContain('secret')
})

test('credentials in an endpoint are sent as a header', async () => {
  const server_ = await server({ kind: 'session_buddy' })
  const { next } = adapting()
  await next(runIn({ endpoint: server_.endpoint.replace('//', '//me:pass@') }, 'session_buddy'))
  expect(server_.requests[0]?.headers.authorization).toBe(`Basic ${btoa('me:pass')}`)
})

test('it serves Session-Buddy, and mahavishnu at …/mcp', () => {
  const { adapter } = adapting()
  const serves = (pool_type: string, endpoint: string) =>
    adapter.serves(poolDescriptorSchema.parse({ name: 'p', pool_type, endpoint }))
  expect([
    serves('session_buddy', 'http://h:1'),
    serves('mahavishnu', 'http://h:1/mcp'),
    serves('mahavishnu', 'https://h:1/deep/mcp/'),
    serves('mahavishnu', 'http://h:1'),
    serves('mahavishnu', 'ftp://h:1/mcp'),
    serves('kubernetes', 'http://h:1/mcp'),
  ]).toEqual([true, true, true, false, false, false])
})
