// Work moves between pools of different kinds as it does between pools of one: what is full is passed over, what has room
// again is used, and regions and affinity mean the same everywhere.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@poolmesh/bus'
import { FakeKubernetes, until } from '@poolmesh/testkit'
import { definePool, serveHttp } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, type Json, type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
let cluster: FakeKubernetes
const folder = mkdtempSync(join(tmpdir(), 'poolmesh-kinds-'))
const stranger = (): Stranger => running.stranger

beforeAll(async () => {
  cluster = await FakeKubernetes.start()
  const kubeconfig = join(folder, 'config')
  writeFileSync(kubeconfig, cluster.kubeconfig)
  running = await startSystem({ KUBECONFIG: kubeconfig })
})
afterAll(async () => {
  await running[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** A Job that waits for the file that its task names, if it names one. */
const COMMAND = [
  '/bin/sh',
  '-c',
  `gate=$(printf %s "$POOLMESH_TASK" | sed -n 's/.*"gate":"\\([^"]*\\)".*/\\1/p')
   while [ -n "$gate" ] && [ ! -e "$gate" ]; do sleep 0.02; done
   printf '{"by":"kube"}' > "$POOLMESH_RESULT_FILE"`,
]

/** Pools with one slot each, with a capability that all have; the bus has most beyond it, Kubernetes none. */
async function threeKinds() {
  await using owned = new AsyncDisposableStack()
  const [capability, near, nearer] = [unique('cap'), unique('near'), unique('nearer')]
  /** Until the file that the payload names is there. */
  const opened = async ({ gate }: Json): Promise<void> => {
    if (gate !== undefined) opening.set(String(gate), Promise.withResolvers())
    await opening.get(String(gate))?.promise
  }
  const opening = new Map<string, PromiseWithResolvers<void>>()
  const bus = owned.use(
    await stranger().pool(unique('bus'), {
      capabilities: [capability, near, nearer],
      maxWorkers: 1,
      descriptor: { region: 'r_bus' },
      handler: async (work) => {
        await opened(work.task.payload)
        return completed(work, { by: 'bus' })
      },
    }),
  )
  const http = owned.use(
    await serveHttp(
      definePool({
        name: unique('http'),
        capabilities: [capability, near],
        maxWorkers: 1,
        region: 'r_http',
        handler: async ({ payload }) => {
          await opened(payload)
          return { by: 'http' }
        },
      }),
      { log: silentLogger(), handleSignals: false, drainTimeout: 0 },
    ),
  )
  await stranger().ask('pool.discover', { endpoints: [http.endpoint] })
  const kube = unique('kube')
  await stranger().ask('pool.register', {
    name: kube,
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    capabilities: [capability],
    max_workers: 1,
    region: 'r_kube',
    metadata: {
      kubernetes: { namespace: kube.toLowerCase().replaceAll('_', '-'), image: 'task:1', command: COMMAND },
    },
  })
  const names = { bus: bus.name, http: http.name, kube }
  const task = { required_capabilities: [capability] }
  await stranger().fitting(task, Object.values(names))
  const all = owned.move()
  return {
    names,
    /** Prefers the bus to HTTP, and that to Kubernetes. */
    ordered: {
      ...task,
      routing_strategy: 'capability_based',
      metadata: { preferred_capabilities: [near, nearer] },
    },
    task,
    /** Submits one that runs until it is let go, and waits until it runs where it should. */
    async hold(pool: string, task: Json): Promise<Held> {
      const held = await queue(task)
      await held.runs(pool)
      return held
    },
    queue,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }

  async function queue(task: Json): Promise<Held> {
    const gate = join(folder, unique('gate'))
    const id = await stranger().submit({ ...task, payload: { gate } })
    return {
      id,
      async runs(pool) {
        expect((await stranger().untilStatus(id, 'running'))['pool_name']).toBe(pool)
        if (pool !== names.kube) await until(() => opening.has(gate))
      },
      async letGo() {
        writeFileSync(gate, '')
        opening.get(gate)?.resolve()
        expect(await stranger().resultOf(id)).toMatchObject({
          status: 'completed',
          metadata: { attempts: 1 },
        })
      },
    }
  }
}

interface Held {
  id: string
  runs(pool: string): Promise<void>
  letGo(): Promise<void>
}

const verdicts = async (question: Json): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await stranger().explain(question)).candidates
      .filter(({ verdict }) => verdict !== 'unfit')
      .map(({ pool, verdict }) => [pool, verdict]),
  )

test('work spills from a full bus pool to HTTP, from there to Kubernetes, and back as slots are free', async () => {
  await using kinds = await threeKinds()
  const { bus, http, kube } = kinds.names
  const first = await kinds.hold(bus, kinds.ordered)
  const second = await kinds.hold(http, kinds.ordered)
  const third = await kinds.hold(kube, kinds.ordered)

  const waiting = await kinds.queue(kinds.ordered)
  await stranger().untilStatus(waiting.id, 'pending')
  expect(await verdicts({ task_id: waiting.id })).toEqual({ [bus]: 'full', [http]: 'full', [kube]: 'full' })

  // Whatever kind has room takes what waits: the last, the middle, the first.
  await third.letGo()
  await waiting.runs(kube)
  const next = await kinds.queue(kinds.ordered)
  await second.letGo()
  await next.runs(http)
  const last = await kinds.queue(kinds.ordered)
  await first.letGo()
  await last.runs(bus)

  for (const held of [waiting, next, last]) await held.letGo()
  await stranger().fitting(kinds.ordered, [bus, http, kube])
  expect((await stranger().run(kinds.ordered)).pool_name).toBe(bus)
})

test('a region is preferred whatever kind of pool is there, and left when it is full', async () => {
  await using kinds = await threeKinds()
  const inRegion = (region: string): Json => ({
    ...kinds.task,
    routing_strategy: 'region_aware',
    metadata: { region },
  })
  for (const [kind, pool] of Object.entries(kinds.names)) {
    const held = await kinds.hold(pool, inRegion(`r_${kind}`))
    const elsewhere = await stranger().run(inRegion(`r_${kind}`))
    expect(elsewhere).toMatchObject({ status: 'completed' })
    expect(elsewhere.pool_name).not.toBe(pool)
    await held.letGo()
    await stranger().fitting(kinds.task, Object.values(kinds.names))
  }
})

test('affinity keeps to a pool of any kind, leaves it while it is full, and follows where the last one ran', async () => {
  await using kinds = await threeKinds()
  for (const pool of Object.values(kinds.names)) {
    const bound = { ...kinds.task, routing_strategy: 'affinity', metadata: { affinity_key: unique('key') } }
    // Named once; the key alone leads there from then on.
    await stranger().run({ ...bound, pool })
    for (let i = 0; i < 3; i++) expect((await stranger().run(bound)).pool_name).toBe(pool)
    const held = await kinds.hold(pool, bound)
    const spilled = (await stranger().run(bound)).pool_name
    expect(spilled).not.toBe(pool)
    expect((await stranger().run(bound)).pool_name).toBe(spilled)
    await held.letGo()
    await stranger().fitting(kinds.task, Object.values(kinds.names))
  }
})
