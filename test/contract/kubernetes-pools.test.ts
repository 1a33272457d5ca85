// Pools that are a namespace and a Job template do the same job as pools on the bus. Their Jobs really run.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeKubernetes, type PodFault, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Executors } from './executors.ts'
import { type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
let cluster: FakeKubernetes
let executors: Executors
/** By namespace. */
const faults = new Map<string, PodFault>()
const folder = mkdtempSync(join(tmpdir(), 'poolmesh-kube-'))
const stranger = (): Stranger => running.stranger

beforeAll(async () => {
  cluster = await FakeKubernetes.start({
    podFault: ({ metadata }) => faults.get(metadata.namespace) ?? null,
  })
  const kubeconfig = join(folder, 'config')
  writeFileSync(kubeconfig, cluster.kubeconfig)
  running = await startSystem({ KUBECONFIG: kubeconfig }, undefined, [
    'registry',
    'distributor',
    'health-monitor',
  ])
  executors = new Executors(stranger(), { POOLMESH_KUBECONFIG: kubeconfig })
  await executors.start()
})
afterAll(async () => {
  await executors[Symbol.asyncDispose]()
  await running[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Writes what the payload asks for; with `gate` only when that file is there. */
const COMMAND = [
  process.execPath,
  '-e',
  `const fs = require('fs')
   const { payload } = JSON.parse(process.env.POOLMESH_TASK)
   const end = () => {
     if (payload.gate && !fs.existsSync(payload.gate)) return
     clearInterval(timer)
     fs.writeFileSync(process.env.POOLMESH_RESULT_FILE, JSON.stringify({ got: payload.n ?? null }))
     process.exitCode = payload.code ?? 0
   }
   const timer = setInterval(end, 10)
   end()`,
]

/** A namespace of its own, registered as a pool, with a capability that it shares with those of the same name. */
async function kubernetes(capability: string, fields: object = {}, template: object = {}) {
  const name = unique('kube')
  const namespace = name.toLowerCase().replaceAll('_', '-')
  await stranger().ask('pool.register', {
    name,
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    capabilities: [capability],
    metadata: { kubernetes: { namespace, image: 'task:1', command: COMMAND, grace_seconds: 1, ...template } },
    ...fields,
  })
  const task = { required_capabilities: [capability] }
  await stranger().fitting({ ...task, pool: name }, [name])
  const jobs = () => cluster.jobs.filter(({ metadata }) => metadata.namespace === namespace)
  const pods = () =>
    cluster.pods.filter(
      ({ metadata, status }) => metadata.namespace === namespace && status.phase === 'Running',
    )
  return { name, namespace, task, jobs, pods }
}

const gate = (): string => join(folder, unique('gate'))

test('tasks are routed to a pool, run once each, and never more than its workers', async () => {
  const pool = await kubernetes(unique('cap'), { max_workers: 2 })
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, pool.pods().length)
  }, 5)
  const ids = await Promise.all(
    Array.from({ length: 6 }, (_, n) => stranger().submit({ ...pool.task, payload: { n } })),
  )
  for (const [n, id] of ids.entries())
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: pool.name,
      output: { got: n },
      metadata: { attempts: 1 },
    })
  clearInterval(watch)
  expect(peak).toBeLessThanOrEqual(2)
  const started = cluster.started.filter((name) => pool.jobs().some(({ metadata }) => metadata.name === name))
  expect([started.length, new Set(started).size]).toEqual([6, 6])
})

test('a failure is tried again as another Job, up to the attempts that the task allows', async () => {
  const pool = await kubernetes(unique('cap'))
  expect(await stranger().run({ ...pool.task, payload: { code: 3 }, max_attempts: 2 })).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('exit code 3'),
    metadata: {
      attempts: 2,
      reason: 'HANDLER_ERROR',
      history: [{ error: expect.stringContaining('exit code 3') }],
    },
  })
})

test.for<[PodFault, string, RegExp]>([
  ['image_pull', 'POOL_REFUSED', /^image pull: ImagePullBackOff/],
  ['unschedulable', 'POOL_REFUSED', /^unschedulable: .*Insufficient cpu/],
  ['evicted', 'POOL_LOST', /^evicted: .*low on resource/],
])(
  '%s costs no attempt: another pool runs the task, and its history says why',
  async ([fault, reason, error]) => {
    const capability = unique('cap')
    const bad = await kubernetes(capability, {}, { start_seconds: 1 })
    faults.set(bad.namespace, fault)
    const id = await stranger().submit({ ...bad.task })
    await until(() => bad.jobs().length > 0)
    const good = await kubernetes(capability)
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: good.name,
      metadata: {
        attempts: 1,
        history: expect.arrayContaining([
          expect.objectContaining({ pool: bad.name, reason, error: expect.stringMatching(error) }),
        ]),
      },
    })
  },
)

test('a container that is killed for its memory is a failure that says so', async () => {
  const pool = await kubernetes(unique('cap'))
  faults.set(pool.namespace, 'oom')
  expect(await stranger().run(pool.task)).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/^out of memory: .*OOMKilled/),
  })
})

test('a Job that takes too long times out and is gone', async () => {
  const pool = await kubernetes(unique('cap'))
  const id = await stranger().submit({ ...pool.task, timeout: 1, payload: { gate: gate() } })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'timeout',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  await until(() => pool.pods().length === 0)
})

test('cancelled while it runs: the Job is deleted, the slot is free once it is gone, and the result says what it did', async () => {
  const pool = await kubernetes(unique('cap'), { max_workers: 1 })
  const id = await stranger().submit({ ...pool.task, payload: { gate: gate() } })
  await until(() => pool.pods().length === 1)
  const next = await stranger().submit(pool.task)
  expect(await stranger().ask('task.cancel', { task_id: id })).toMatchObject({ cancelled: true })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'cancelled',
    metadata: { cancel: 'acknowledged' },
  })
  expect(await stranger().resultOf(next)).toMatchObject({ status: 'completed' })
  expect(pool.jobs()).toHaveLength(1)
})

test('its health is what the API says to our credentials', async () => {
  const pool = await kubernetes(unique('cap'))
  const { [pool.name]: found } = await stranger().ask<Record<string, object>>('health.check', {
    name: pool.name,
  })
  expect(found).toMatchObject({ status: 'healthy', error: null })
  expect(cluster.requests).toContain(`GET /api/v1/namespaces/${pool.namespace}/resourcequotas`)
})

test('a pool that has no credentials is not chosen, and explain says why', async () => {
  const capability = unique('cap')
  const name = unique('kube')
  await stranger().ask('pool.register', {
    name,
    pool_type: 'kubernetes',
    endpoint: 'https://elsewhere.example:6443',
    capabilities: [capability],
    metadata: { kubernetes: { namespace: 'work', image: 'task:1' } },
  })
  const task = { task_type: 'test', payload: {}, required_capabilities: [capability] }
  const candidate = await until(async () =>
    (await stranger().explain(task)).candidates.find(({ pool }) => pool === name),
  )
  expect(candidate).toMatchObject({
    verdict: 'unavailable',
    reason: expect.stringContaining('no Kubernetes credentials'),
  })
})

const writtenDown = async (ids: string[]): Promise<void> =>
  void (await until(async () => {
    const message = await stranger()
      .jsm.direct.getMessage('KV_EXECUTORS', { last_by_subj: '$KV.EXECUTORS.runs' })
      .catch(() => null)
    return ids.every((id) => message?.string().includes(id))
  }, 'the runs to be written down'))

for (const case_ of [
  'another takes over',
  'another comes later',
  'nothing was written down yet',
  'nothing was written down and they end meanwhile',
])
  test(`the executor is killed while Jobs run, ${case_}: each is adopted, and none is started twice`, async () => {
    const capability = unique('cap')
    const pool = await kubernetes(capability)
    const open = gate()
    if (case_ === 'another takes over') await executors.standBy()
    const ids = await Promise.all(
      Array.from({ length: 5 }, (_, n) => stranger().submit({ ...pool.task, payload: { gate: open, n } })),
    )
    await until(() => pool.pods().length === 5)
    if (case_ === 'another comes later') await writtenDown(ids)
    // One that would take them as well.
    const other = await kubernetes(capability)
    const before = cluster.started.length
    await executors.killDispatcher()
    if (case_.endsWith('meanwhile')) {
      writeFileSync(open, '')
      await until(() => pool.pods().length === 0)
    }
    if (case_ !== 'another takes over') await executors.start()
    await executors.dispatcher()
    writeFileSync(open, '')
    for (const [n, id] of ids.entries())
      expect(await stranger().resultOf(id)).toMatchObject({
        status: 'completed',
        output: { got: n },
        metadata: { attempts: 1 },
      })
    expect([cluster.started.length, pool.jobs().length, other.jobs()]).toEqual([before, 5, []])
    for (const id of ids) expect(stranger().resultsOf(id)).toHaveLength(1)
  })
