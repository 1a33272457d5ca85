// The adapter of Kubernetes pools against an API server whose Jobs really run.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@poolmesh/bus'
import type { Answer, Run } from '@poolmesh/core'
import {
  type ApiFault,
  FakeKubernetes,
  type FakeKubernetesOptions,
  type PodFault,
  until,
} from '@poolmesh/testkit'
import { type PoolDescriptorInput, poolDescriptorSchema } from '@poolmesh/types'
import { afterEach, expect, test } from 'vitest'
import { KubernetesAdapter, KubernetesHealth } from '../src/index.ts'

type Told =
  | { kind: 'answer'; attempt: number | null; answer: Answer }
  | { kind: 'gone' | 'lost'; attempt: number; problem?: string | undefined }

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

const cluster = async (options: FakeKubernetesOptions = {}) => stack.use(await FakeKubernetes.start(options))

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'poolmesh-kube-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'config'), text)
  return join(folder, 'config')
}

function adapting(server: FakeKubernetes, kubeconfig = server.kubeconfig) {
  const told: Told[] = []
  const adapter = new KubernetesAdapter({
    runs: {
      answer: (_pool, _id, attempt, answer) => void told.push({ kind: 'answer', attempt, answer }),
      gone: (_pool, _id, attempt) => void told.push({ kind: 'gone', attempt }),
      // As the engine does.
      lost: (pool, id, attempt, problem) => {
        told.push({ kind: 'lost', attempt, problem })
        adapter.cancel(pool, id)
      },
    },
    claims: { get: async () => ({ from: 'the store' }) },
    kubeconfig: fileWith(kubeconfig),
    log: silentLogger(),
  })
  stack.use(adapter)
  return { adapter, told, first: () => until(() => told[0], 'something to be told') }
}

const script = (text: string) => ({ command: [process.execPath, '-e', text] })
const WRITE = `require('fs').writeFileSync(process.env.POOLMESH_RESULT_FILE, JSON.stringify`
const SLEEP = script('setInterval(() => {}, 1000)')

const poolOf = (server: FakeKubernetes, template: object, name = 'p') =>
  poolDescriptorSchema.parse({
    name,
    pool_type: 'kubernetes',
    endpoint: server.endpoint,
    metadata: { kubernetes: { namespace: 'work', image: 'task:1', grace_seconds: 1, ...template } },
  } as PoolDescriptorInput)

const runIn = (server: FakeKubernetes, template: object, changes: object = {}, attempt = 1): Run =>
  ({
    entry: { task: { task_id: 't-1', task_type: 'test', payload: { n: 1 }, timeout: 60, ...changes } },
    pool: { name: 'p', descriptor: poolOf(server, template) },
    attempt,
    startedAt: Date.now(),
    deadline: Date.now() + 60_000,
    abandoned: false,
  }) as unknown as Run

const answered = (answer: object) => ({ kind: 'answer', answer: { kind: 'answer', answer } })
const cancelled = answered({ status: 'cancelled' })
const refused = (error: RegExp, metadata: object = {}) =>
  answered({
    status: 'failed',
    error: expect.stringMatching(error),
    metadata: { reason: 'POOL_REFUSED', ...metadata },
  })

test('a Job runs the task, and its termination message is the output', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  adapter.add(
    runIn(server, {
      ...script(`${WRITE}({task: JSON.parse(process.env.POOLMESH_TASK), mode: process.env.MODE}))`),
      env: { MODE: 'fast' },
      resources: { limits: { memory: '64Mi', cpu: 1 } },
      node_selector: { disk: 'ssd' },
      service_account: 'worker',
    }),
  )
  expect(await first()).toMatchObject({
    ...answered({
      status: 'completed',
      output: { task: { task_id: 't-1', payload: { n: 1 } }, mode: 'fast' },
    }),
    attempt: 1,
  })
  const [job] = server.jobs
  expect(job?.metadata.labels).toEqual({
    'app.kubernetes.io/managed-by': 'poolmesh',
    'poolmesh/task': 't-1',
    'poolmesh/attempt': '1',
    'poolmesh/pool': 'p',
  })
  expect(job?.metadata.name).toMatch(/^pm-t-1-[0-9a-f]{16}$/)
  expect(job?.spec).toMatchObject({
    backoffLimit: 0,
    activeDeadlineSeconds: 60,
    ttlSecondsAfterFinished: 600,
    template: {
      spec: {
        restartPolicy: 'Never',
        serviceAccountName: 'worker',
        nodeSelector: { disk: 'ssd' },
        containers: [{ image: 'task:1', resources: { limits: { memory: '64Mi', cpu: '1' } } }],
      },
    },
  })
})

test('what a shell or the API would replace arrives as it is', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  const text = '$(POOLMESH_POOL) $$ $(id) `id` "\'; $HOME \\ \n é'
  adapter.add(
    runIn(server, script(`${WRITE}(JSON.parse(process.env.POOLMESH_TASK).payload))`), { payload: { text } }),
  )
  expect(await first()).toMatchObject(answered({ output: { text } }))
})

test('a task that is too large for the environment comes in a file', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  const text = '$'.repeat(200_000)
  const read = `JSON.parse(require('fs').readFileSync(process.env.POOLMESH_TASK_FILE))`
  adapter.add(
    runIn(server, script(`${WRITE}({length: ${read}.payload.text.length}))`), { payload: { text } }),
  )
  expect(await first()).toMatchObject(answered({ output: { length: 200_000 } }))
})

test('a task that is too large for a Job fails, and says so', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, SLEEP, { payload: { text: 'x'.repeat(1_100_000) } }))
  expect(await first()).toMatchObject(
    answered({ status: 'failed', error: expect.stringMatching(/has \d+ bytes/) }),
  )
  expect(server.jobs).toEqual([])
})

test('a payload that travels by reference arrives whole', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  const payload_ref = { store: 'PAYLOADS', name: 'x', size: 1, sha256: '0'.repeat(64) }
  adapter.add(
    runIn(server, script(`${WRITE}(JSON.parse(process.env.POOLMESH_TASK)))`), { payload: {}, payload_ref }),
  )
  const { answer } = (await first()) as { answer: { answer: { output: object } } }
  expect(answer.answer.output).toEqual({
    task_id: 't-1',
    task_type: 'test',
    timeout: 60,
    payload: { from: 'the store' },
  })
})

test('an output that is larger than a termination message is the last line of the log', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  const line = `'poolmesh-result: ' + JSON.stringify({text: 'x'.repeat(50000)})`
  adapter.add(runIn(server, script(`console.log('working'); console.log(${line})`)))
  expect(await first()).toMatchObject(answered({ output: { text: 'x'.repeat(50_000) } }))
})

test.for<[string, string, object]>([
  ['no result is no output', 'console.log("done")', { kind: 'answer', answer: { status: 'completed' } }],
  [
    'a DistributedTaskResult counts as such',
    `${WRITE}({status: 'failed', error: 'no paper'}))`,
    { kind: 'answer', answer: { status: 'failed', error: 'no paper' } },
  ],
  [
    'what is no object is no result',
    `${WRITE}([1]))`,
    { kind: 'invalid', problem: expect.stringContaining('no JSON object') },
  ],
  [
    'what is no JSON is no result',
    `console.log('poolmesh-result: {')`,
    { kind: 'invalid', problem: expect.stringContaining('not JSON') },
  ],
  [
    'a line that is too long is no result, and says so',
    `console.log('poolmesh-result: ' + JSON.stringify({text: 'x'.repeat(1100000)}))`,
    { kind: 'invalid', problem: expect.stringContaining('larger than is read') },
  ],
  [
    'an exit code is a failure, with the end of the log',
    `console.error('no ink'); process.exitCode = 3`,
    {
      kind: 'answer',
      answer: { status: 'failed', error: 'the container ended with exit code 3: no ink' },
    },
  ],
  [
    'a container that fails cannot say that it has completed',
    `${WRITE}({status: 'completed', output: {}})); process.exitCode = 1`,
    { kind: 'answer', answer: { status: 'failed', error: expect.stringContaining('exit code 1') } },
  ],
])('%s', async ([, text, answer]) => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, script(text)))
  expect(await first()).toMatchObject({ kind: 'answer', answer })
})

test('the deadline is the cluster’s: the container is killed and the run times out', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, SLEEP, { timeout: 1 }))
  expect(await first()).toMatchObject(
    answered({ status: 'timeout', error: expect.stringContaining('DeadlineExceeded') }),
  )
  expect(server.running).toBe(0)
})

test.for<[PodFault, object]>([
  ['oom', answered({ status: 'failed', error: expect.stringMatching(/^out of memory: .*OOMKilled/) })],
  ['image_pull', refused(/^image pull: ImagePullBackOff .*task:1/)],
  ['unschedulable', refused(/^unschedulable: .*Insufficient cpu/)],
  ['no_pod', refused(/^no pod was made .*quota/)],
  ['evicted', { kind: 'lost', attempt: 1, problem: expect.stringMatching(/^evicted: .*low on resource/) }],
])('%s is told apart', async ([podFault, expected]) => {
  const server = await cluster({ podFault: () => podFault })
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, { ...SLEEP, start_seconds: 1 }))
  expect(await first()).toMatchObject(expected)
  // What has not begun is taken away, and what was lost too.
  if (podFault !== 'oom') await until(() => server.jobs.length === 0)
})

test.for<[string, ApiFault, object]>([
  [
    'too many requests',
    { status: 429, reason: 'TooManyRequests', message: 'slow down', headers: { 'retry-after': '7' } },
    refused(/^too many requests: slow down/, { retry_after_ms: 7_000 }),
  ],
  [
    'what the account may not do',
    { status: 403, reason: 'Forbidden', message: 'jobs.batch is forbidden: User "x" cannot create' },
    refused(/^the cluster forbids it: .*cannot create/),
  ],
  [
    'a namespace that is not there',
    { status: 404, reason: 'NotFound', message: 'namespaces "work" not found' },
    refused(/^not found: namespaces "work" not found/),
  ],
  [
    'a Job that is no Job',
    { status: 422, reason: 'Invalid', message: 'spec.template: Invalid value' },
    refused(/422: spec.template: Invalid value/),
  ],
])('%s is a refusal that says why', async ([, fault, expected]) => {
  const server = await cluster({ fault: ({ method }) => (method === 'POST' ? fault : null) })
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, SLEEP))
  expect(await first()).toMatchObject(expected)
})

test('a quota that is used up is a refusal', async () => {
  const server = await cluster({ quota: 1 })
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, SLEEP))
  await until(() => server.running === 1)
  adapter.add(runIn(server, SLEEP, { task_id: 't-2' }))
  expect(await first()).toMatchObject(refused(/^quota: .*exceeded quota/))
})

test('credentials that are not accepted are a refusal, and are told to nobody', async () => {
  const server = await cluster({ token: 'right' })
  const { adapter, told, first } = adapting(server, server.kubeconfig.replace('right', 'wrong-token'))
  adapter.add(runIn(server, SLEEP))
  expect(await first()).toMatchObject(refused(/does not accept the credentials/))
  expect(JSON.stringify(told)).not.toMatch(/wrong-token|127\.0\.0\.1/)
})

test('credentials that cannot be had are a refusal', async () => {
  const server = await cluster()
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/nowhere/plugin' }
  const file = JSON.parse(server.kubeconfig) as { users: object[] }
  file.users = [{ name: 'tester', user: { exec } }]
  const { adapter, first } = adapting(server, JSON.stringify(file))
  adapter.add(runIn(server, SLEEP))
  expect(await first()).toMatchObject(refused(/credentials cannot be used/))
  expect(server.requests).toEqual([])
})

test('credentials are sent with everything', async () => {
  const server = await cluster({ token: 'right' })
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, script(`console.log('poolmesh-result: {}')`)))
  expect(await first()).toMatchObject(answered({ status: 'completed', output: {} }))
})

test('a server with TLS is trusted as the kubeconfig says, and connections are kept', async () => {
  const server = await cluster({ tls: true, token: 'right' })
  const { adapter, told } = adapting(server)
  const done = script(`${WRITE}({done: true}))`)
  for (let n = 0; n < 5; n++) {
    adapter.add(runIn(server, done, { task_id: `t-${n}` }))
    await until(() => told.length === n + 1)
  }
  for (const one of told) expect(one).toMatchObject(answered({ output: { done: true } }))
  expect(server.requests.length).toBeGreaterThan(10)
  expect(server.connections).toBeLessThanOrEqual(4)
  const nobody = server.kubeconfig.replace(/"certificate-authority-data":"[^"]+"/, '"x":1')
  const doubtful = adapting(server, nobody)
  doubtful.adapter.add(runIn(server, done, { task_id: 'doubtful' }))
  expect(await doubtful.first()).toMatchObject(refused(/certificate is not trusted/))
})

test('where nobody listens the task was not begun', async () => {
  const server = await cluster()
  const run = runIn(server, SLEEP)
  const { adapter, first } = adapting(server)
  await server.kill()
  adapter.add(run)
  expect(await first()).toEqual({ kind: 'gone', attempt: 1 })
})

test.for<ApiFault>([
  'reset',
  'reset_after',
  { status: 500, reason: 'InternalError', message: 'etcd is away' },
])('%o while the Job is made: it is made once', async (fault) => {
  let faults = 0
  const server = await cluster({
    fault: ({ method }) => (method === 'POST' && faults++ < 2 ? fault : null),
  })
  const { adapter, first } = adapting(server)
  adapter.add(runIn(server, script(`${WRITE}({done: true}))`)))
  expect(await first()).toMatchObject(answered({ output: { done: true } }))
  expect([server.started.length, faults]).toEqual([1, fault === 'reset_after' ? 2 : 3])
})

test('cancelled: the Job is deleted, and it is told when its container has ended', async () => {
  const server = await cluster()
  const { adapter, told, first } = adapting(server)
  adapter.add(runIn(server, SLEEP))
  await until(() => server.running === 1)
  adapter.cancel('p', 't-1')
  expect(await first()).toMatchObject({ ...cancelled, attempt: 1 })
  expect([server.jobs, server.pods, server.running]).toEqual([[], [], 0])
  expect(told).toHaveLength(1)
})

test('a container that does not heed the signal holds its slot until it is killed', async () => {
  const server = await cluster()
  const { adapter, told, first } = adapting(server)
  const gate = gateFile()
  const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`
  adapter.add(runIn(server, script(`${deaf}; require('fs').writeFileSync('${gate}', '')`)))
  await until(() => existsSync(gate))
  adapter.cancel('p', 't-1')
  await until(() => server.jobs.length === 0)
  expect([told, server.running]).toEqual([[], 1])
  expect(await first()).toMatchObject(cancelled)
  expect(server.running).toBe(0)
})

test('the next run of a task begins when the Job of the one before is gone', async () => {
  let faults = 0
  const unavailable = { status: 500, reason: 'InternalError', message: 'not now' }
  const server = await cluster({
    fault: ({ method }) => (method === 'DELETE' && faults++ < 2 ? unavailable : null),
  })
  const { adapter, told } = adapting(server)
  adapter.add(runIn(server, SLEEP))
  await until(() => server.running === 1)
  adapter.cancel('p', 't-1')
  adapter.add(runIn(server, script(`${WRITE}({attempt: process.env.POOLMESH_ATTEMPT}))`), {}, 2))
  await until(() => told.length === 2)
  expect(told).toMatchObject([
    { ...cancelled, attempt: 1 },
    { ...answered({ output: { attempt: '2' } }), attempt: 2 },
  ])
})

test.for([
  ['failed', 'process.exitCode = 1'],
  ['said that it failed', `${WRITE}({status: 'failed', error: 'no paper'}))`],
  ['said nothing that makes sense', `${WRITE}('splendid'))`],
])('a run that %s makes room for the next', async ([, text]) => {
  const server = await cluster()
  const { adapter, told } = adapting(server)
  adapter.add(runIn(server, script(text as string)))
  await until(() => told.length === 1)
  adapter.add(runIn(server, script(`${WRITE}({attempt: process.env.POOLMESH_ATTEMPT}))`), {}, 2))
  await until(() => told.length === 2)
  expect(told[1]).toMatchObject({ ...answered({ output: { attempt: '2' } }), attempt: 2 })
})

test('a run that completed and whose answer came to nobody is not run again', async () => {
  const server = await cluster()
  const before = adapting(server)
  before.adapter.add(runIn(server, script(`${WRITE}({n: 1}))`)))
  await before.first()
  const after = adapting(server)
  after.adapter.add(runIn(server, script(`${WRITE}({n: 2}))`), {}, 2))
  expect(await after.first()).toMatchObject({ ...answered({ output: { n: 1 } }), attempt: 2 })
  expect(server.started).toHaveLength(1)
})

test('a Job that somebody deletes is lost', async () => {
  const server = await cluster()
  const { adapter, told, first } = adapting(server)
  adapter.add(runIn(server, SLEEP))
  await until(() => server.running === 1)
  for (const job of server.jobs) server.deleteJob(job)
  expect(await first()).toMatchObject({ kind: 'lost', problem: 'the Job was deleted' })
  await until(() => told.length === 2)
  expect(told[1]).toMatchObject(cancelled)
})

const held = (gate: string) =>
  script(
    `const fs = require('fs'); const t = setInterval(() => { if (fs.existsSync('${gate}')) { clearInterval(t); ${WRITE}({done: true})) } }, 10)`,
  )
const gateFile = (): string => join(fileWith('').replace(/config$/, ''), 'open')

test('another adapter goes on with a Job that this one made', async () => {
  const server = await cluster()
  const gate = gateFile()
  const before = adapting(server)
  const run = runIn(server, held(gate))
  before.adapter.add(run)
  await until(() => server.running === 1)
  before.adapter.standBy()
  const after = adapting(server)
  const running = await after.adapter.running([run.pool.descriptor], 5_000)
  expect([...running]).toMatchObject([['p', [{ taskId: 't-1', attempt: 1 }]]])
  after.adapter.adopt(run)
  writeFileSync(gate, '')
  expect(await after.first()).toMatchObject({ ...answered({ output: { done: true } }), attempt: 1 })
  expect([before.told, server.started.length]).toEqual([[], 1])
})

test('a Job that ended while nobody looked is adopted with its result', async () => {
  const server = await cluster()
  const gate = gateFile()
  const before = adapting(server)
  const run = runIn(server, held(gate))
  before.adapter.add(run)
  await until(() => server.running === 1)
  before.adapter.standBy()
  writeFileSync(gate, '')
  await until(() => server.running === 0)
  const after = adapting(server)
  after.adapter.adopt(run)
  expect(await after.first()).toMatchObject(answered({ output: { done: true } }))
})

test('a Job that nobody wrote down is not made a second time: the next run goes on with it', async () => {
  const server = await cluster()
  const gate = gateFile()
  const before = adapting(server)
  before.adapter.add(runIn(server, held(gate)))
  await until(() => server.running === 1)
  before.adapter.standBy()
  const after = adapting(server)
  after.adapter.add(runIn(server, held(gate), {}, 2))
  await until(() => server.jobs[0]?.metadata.labels?.['poolmesh/attempt'] === '2')
  writeFileSync(gate, '')
  expect(await after.first()).toMatchObject({ ...answered({ output: { done: true } }), attempt: 2 })
  expect(server.started).toHaveLength(1)
})

test('a run whose Job is not there any more is lost', async () => {
  const server = await cluster()
  const { adapter, first } = adapting(server)
  adapter.adopt(runIn(server, SLEEP))
  expect(await first()).toEqual({ kind: 'lost', attempt: 1, problem: 'the Job is not there' })
})

test('a Job that no task waits for any more is deleted, though nobody follows it', async () => {
  const server = await cluster()
  const before = adapting(server)
  const run = runIn(server, SLEEP)
  before.adapter.add(run)
  await until(() => server.running === 1)
  before.adapter.standBy()
  const after = adapting(server)
  await after.adapter.running([run.pool.descriptor], 5_000)
  after.adapter.cancel('p', 't-1')
  expect(await after.first()).toMatchObject({ ...cancelled, attempt: 1 })
  expect(server.running).toBe(0)
})

test('one watch for all Jobs of a namespace; when it ends it goes on where it was, and no Job is asked for by itself', async () => {
  const server = await cluster()
  const gate = gateFile()
  const { adapter, told } = adapting(server)
  const ids = Array.from({ length: 5 }, (_, n) => `t-${n}`)
  for (const task_id of ids) adapter.add(runIn(server, held(gate), { task_id }))
  await until(() => server.running === 5 && server.watched === 1)
  server.bookmark()
  server.endWatches()
  await until(() => server.watched === 2)
  writeFileSync(gate, '')
  await until(() => told.length === 5)
  for (const one of told) expect(one).toMatchObject(answered({ output: { done: true } }))
  const asked = server.requests.filter((request) => /^GET .*\/jobs/.test(request))
  expect(asked.filter((request) => !request.endsWith('(watch)'))).toHaveLength(1)
  expect(asked.filter((request) => /\/jobs\/./.test(request))).toEqual([])
})

test('a watch that is too old begins with a list, which also tells what was missed', async () => {
  let blind = false
  const server = await cluster({
    fault: ({ watch }) =>
      watch && blind ? { status: 503, reason: 'Unavailable', message: 'not now' } : null,
  })
  const gate = gateFile()
  const { adapter, told } = adapting(server)
  adapter.add(runIn(server, held(gate)))
  adapter.add(runIn(server, SLEEP, { task_id: 't-2' }))
  await until(() => server.running === 2 && server.watched === 1)
  blind = true
  server.compact()
  for (const job of server.jobs) if (job.metadata.name.startsWith('pm-t-2')) server.deleteJob(job)
  writeFileSync(gate, '')
  await until(() => server.running === 0)
  server.compact()
  blind = false
  await until(() => told.length === 3)
  expect(told).toContainEqual(
    expect.objectContaining(answered({ status: 'completed', output: { done: true } })),
  )
  expect(told).toContainEqual({ kind: 'lost', attempt: 1, problem: 'the Job was deleted' })
})

test('an API server that is away for a while loses nothing', async () => {
  let away = false
  const server = await cluster({ fault: () => (away ? 'reset' : null) })
  const gate = gateFile()
  const { adapter, told, first } = adapting(server)
  adapter.add(runIn(server, held(gate)))
  await until(() => server.running === 1 && server.watched === 1)
  away = true
  server.endWatches()
  writeFileSync(gate, '')
  await until(() => server.running === 0)
  const asked = server.requests.length
  await until(() => server.requests.length > asked + 1)
  expect(told).toEqual([])
  away = false
  expect(await first()).toMatchObject(answered({ output: { done: true } }))
})

test('pools of one namespace have their own Jobs, whatever their tasks are called', async () => {
  const server = await cluster()
  const { adapter, told } = adapting(server)
  const echo = script(`${WRITE}({id: process.env.POOLMESH_TASK_ID, pool: process.env.POOLMESH_POOL}))`)
  const odd = ['-a', '_A', 'A', 'a', '-'.repeat(64), '_'.repeat(64), 'x'.repeat(64)]
  for (const task_id of odd) adapter.add(runIn(server, echo, { task_id }))
  adapter.add({
    ...runIn(server, echo, { task_id: 'a' }),
    pool: { name: 'q', descriptor: poolOf(server, echo, 'q') },
  } as unknown as Run)
  await until(() => told.length === 8)
  const outputs = told.map((one) => (one as { answer: { answer: { output: object } } }).answer.answer.output)
  for (const id of odd) expect(outputs).toContainEqual({ id, pool: 'p' })
  expect(outputs).toContainEqual({ id: 'a', pool: 'q' })
  for (const { metadata } of server.jobs) {
    expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
    for (const value of Object.values(metadata.labels ?? {}))
      expect(value).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/)
  }
})

test('a pool is served where its template is valid and there are credentials for its endpoint', async () => {
  const server = await cluster()
  const other = await cluster()
  const { adapter } = adapting(server)
  expect(adapter.serves(poolOf(server, {}))).toBe(true)
  const bad = poolOf(server, { image: '', replicas: 3 })
  expect(adapter.serves(bad)).toBe(false)
  expect(adapter.obstacle(bad)).toMatch(/metadata\.kubernetes\.image: .*; metadata\.kubernetes: .*replicas/)
  expect(adapter.obstacle(poolOf(other, {}))).toMatch(/no context of the kubeconfig/)
  const nowhere = adapting(server, 'clusters: [')
  expect(nowhere.adapter.obstacle(poolOf(server, {}))).toMatch(/the kubeconfig cannot be read/)
})

test('health: the API answers with our credentials, the quota leaves room, and what is wrong names no account', async () => {
  const options: FakeKubernetesOptions = { token: 'right' }
  const server = await cluster(options)
  const pool = poolOf(server, {})
  const target = { endpoint: server.endpoint, metadata: pool.metadata }
  const health = stack.use(new KubernetesHealth(fileWith(server.kubeconfig)))
  expect(await health.check(target, 5_000)).toEqual({ kind: 'answered', full: false })
  options.quota = 0
  expect(await health.check(target, 5_000)).toEqual({ kind: 'answered', full: true })
  options.fault = () => ({ status: 403, reason: 'Forbidden', message: 'User "x" cannot list resourcequotas' })
  expect(await health.check(target, 5_000)).toEqual({ kind: 'answered', full: false })
  options.fault = () => ({ status: 500, reason: 'InternalError', message: 'of User "x"' })
  expect(await health.check(target, 5_000)).toMatchObject({
    how: 'unreachable',
    problem: 'the API server answered with HTTP status 500',
  })
  options.token = 'another'
  delete options.fault
  expect(await health.check(target, 5_000)).toMatchObject({
    how: 'refused',
    problem: 'the cluster does not accept the credentials',
  })
  const unknown = { endpoint: 'http://127.0.0.1:1', metadata: pool.metadata }
  expect(await health.check(unknown, 5_000)).toEqual({ kind: 'unknown' })
  await server.kill()
  // A connection that was kept breaks first.
  await until(async () => {
    const found = await health.check(target, 5_000)
    return found.kind === 'failed' && found.how === 'unreachable' && found.absent
  })
})
