// Contract, promise 1, while there is no NATS server for a while: services, pools and submitters go on by themselves when it
// is back. Seconds here; BROKER_AWAY_S=60 in the environment makes it a minute, and prints what was seen.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsServer } from '@poolmesh/bus'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { type RunningProcess, run, serverPlaces, startAt, until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Stranger } from './harness.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor']
const AWAY_MS = Number(process.env['BROKER_AWAY_S'] ?? 0) * 1_000
const print = (text: string): void => void (AWAY_MS > 0 && process.stdout.write(`${text}\n`))

let parts: AsyncDisposableStack
let server: NatsServer
let back: () => Promise<void>
let services: RunningProcess[]
beforeAll(async () => {
  parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-away-'))
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const [place] = await serverPlaces(folder, 1, '1m')
  back = async () => {
    server = await startAt(place!)
  }
  await back()
  parts.defer(() => server.stop('SIGKILL'))
  services = SERVICES.map((name) => parts.use(run('service.ts', [name], { NATS_URL: place!.url })))
  await Promise.all(services.map((service) => service.line(/"msg":"ready"/)))
})
afterAll(() => parts.disposeAsync())

async function memory(): Promise<string> {
  const mebibytes = await Promise.all(
    services.map(async ({ child }, i) => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
      return `${SERVICES[i]} ${Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)} MiB`
    }),
  )
  const own = Math.round(process.memoryUsage.rss() / 1024 ** 2)
  return [...mebibytes, `client and pool ${own} MiB`].join(', ')
}

test('runs that end meanwhile are answered, submissions are stored, and nothing is run twice', async () => {
  const stranger = await Stranger.to(server.url)
  parts.defer(() => stranger.close())
  const system = await createDistributedPoolSystem({ servers: server.url, embedded: 'never' })
  parts.use(system)
  const gate = Promise.withResolvers<void>()
  const begun: string[] = []
  const pool = await definePool({
    name: 'steady',
    capabilities: ['steady'],
    maxWorkers: 50,
    handler: async ({ task_id, payload }) => {
      begun.push(task_id)
      if (payload['wait'] === true) await gate.promise
      return { text: 'x'.repeat(Number(payload['output'] ?? 0)) }
    },
  }).start({ servers: server.url, handleSignals: false })
  parts.use(pool)
  const task = (wait: boolean, output = 0) => ({
    task_type: 'away',
    payload: { wait, output },
    required_capabilities: ['steady'],
    // As long as the server may be away, and more.
    timeout: 600,
  })
  const running = Array.from({ length: 20 }, (_, i) =>
    // The first goes through the object store.
    system.executor.submit(task(true, i === 0 ? 1_000_000 : 0)),
  )
  await until(() => begun.length === 20, 'all to run')
  print(`before: ${await memory()}`)

  const cut = new Promise<void>((resolve) => {
    void (async () => {
      for await (const { type } of system.connection.status()) if (type === 'reconnecting') return resolve()
    })()
  })
  await server.stop('SIGKILL')
  await cut
  gate.resolve()
  const meanwhile = Array.from({ length: 2_000 }, () => system.executor.submit(task(false)))
  const signal = AbortSignal.timeout(500)
  await expect(system.executor.executeTask(task(false), undefined, { signal })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(/before the task \S+ ended: .*stored/),
  })
  // It has dispatched for so long without hearing from the server that it must not go on.
  await services[1]!.line(/the lease of the executors cannot be read now/)
  await sleep(AWAY_MS)
  print(`after ${AWAY_MS / 1_000} s without a server: ${await memory()}`)
  await back()
  const begin = performance.now()
  const results = await Promise.all([...running, ...meanwhile].map((handle) => handle.result()))
  print(`all ${results.length} ended ${((performance.now() - begin) / 1_000).toFixed(1)} s after it was back`)
  print(`afterwards: ${await memory()}`)
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['completed']))
  expect(String(results[0]?.output?.['text'])).toHaveLength(1_000_000)
  const ids = new Set(results.map(({ task_id }) => task_id))
  expect(ids.size).toBe(2_020)
  // One that was given up may have been stored with others, and then was cancelled, perhaps too late.
  const ran = begun.filter((id) => ids.has(id))
  print(`runs: ${ran.length} of ${ids.size} tasks`)
  expect(ran).toHaveLength(2_020)
  for (const service of services) expect(service.child.exitCode).toBeNull()
}, 300_000)
