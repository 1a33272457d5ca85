// The registry with many pools, on a real nats-server with files: time to register them, time and memory to start with
// them, list pages and look-ups. `node bench/registry.ts [pools]`, 100,000 by default; needs about a minute.
//
// It does not measure: a network, replicas, fsync of every write, and several clients at once.
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus, ensureTopology, loadSettings, silentLogger, startNatsServer } from '@poolmesh/bus'
import { startRegistry } from '../services/registry/src/index.ts'

interface Ready {
  /** Milliseconds from the start of the service until it answers. */
  readyMs: number
  heapBefore: number
  heapAfter: number
  rssAfter: number
}

interface Stopped {
  /** Processor time since it was ready. */
  cpuMs: number
}

/** The registry in a process of its own, so that its memory is seen alone. */
async function serve(url: string): Promise<void> {
  const nc = await connectBus({ servers: url, name: 'registry' })
  globalThis.gc?.()
  const heapBefore = process.memoryUsage().heapUsed
  const begun = performance.now()
  await using _registry = await startRegistry({ nc, settings: loadSettings({}, ''), log: silentLogger() })
  const readyMs = performance.now() - begun
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const ready: Ready = { readyMs, heapBefore, heapAfter: heapUsed, rssAfter: rss }
  process.send!(ready)
  const busyFrom = process.cpuUsage()
  await new Promise((resolve) => process.once('message', resolve))
  const { user, system } = process.cpuUsage(busyFrom)
  process.send!({ cpuMs: (user + system) / 1_000 } satisfies Stopped)
  process.disconnect()
  await nc.close()
}

async function measure(pools: number): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-bench-'))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }))
  const server = cleanup.use(await startNatsServer({ port: 0, dataDir }))
  const nc = await connectBus({ servers: server.url, name: 'bench' })
  cleanup.defer(() => nc.close())
  await ensureTopology(nc)

  const { child: first } = await startChild(server.url)
  const seconds = await registerAll(nc, pools)
  say('registered', `${pools} pools in ${seconds.toFixed(1)} s, ${Math.round(pools / seconds)} a second`)
  const { cpuMs } = await stopChild(first)
  say('processor time of the registry', `${Math.round((cpuMs * 1_000) / pools)} µs a registration`)

  const { child, ready } = await startChild(server.url)
  const perPool = (ready.heapAfter - ready.heapBefore) / pools
  say('start with them', `${(ready.readyMs / 1_000).toFixed(2)} s until it answers`)
  say(
    'memory',
    `${Math.round(perPool)} bytes of heap a pool; process ${Math.round(ready.rssAfter / 1024 ** 2)} MiB`,
  )

  const ask = (subject: string, body: object): Promise<unknown> =>
    nc.request(subject, JSON.stringify(body), { timeout: 60_000 }).then((reply) => reply.json())
  await timed('pool.get', 2_000, (i) => ask('pool.get', { name: nameOf((i * 7_919) % pools) }))
  await timed('pool.get, unknown', 500, (i) => ask('pool.get', { name: `unknown-${i}` }))
  await timed('pool.list, first 100', 500, () => ask('pool.list', {}))
  await timed('pool.list, 100 from anywhere', 500, (i) =>
    ask('pool.list', { cursor: cursorAt(nameOf((i * 7_919) % pools)) }),
  )
  await timed('pool.list, one capability of 1,000', 500, (i) => ask('pool.list', { capability: `cap-${i}` }))
  await timed('pool.list, one of 20 regions, active', 500, (i) =>
    ask('pool.list', { region: `region-${i % 20}`, active_only: true }),
  )
  await timed('pool.list, capability and region', 500, (i) =>
    ask('pool.list', { capability: `cap-${i}`, region: `region-${i % 20}` }),
  )
  await timed('pool.stats', 100, () => ask('pool.stats', {}))
  for (const limit of [100, 1_000]) {
    const begun = performance.now()
    const { found, pages } = await walk(ask, limit)
    say(`all of them, pages of ${limit}`, `${found} pools in ${pages} pages, ${since(begun)} s`)
  }
  await stopChild(child)
}

function startChild(url: string): Promise<{ child: ChildProcess; ready: Ready }> {
  const child = fork(import.meta.filename, ['--serve', url], { execArgv: ['--expose-gc'] })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the registry ended with code ${code}`)))
    child.once('message', (ready) => resolve({ child, ready: ready as Ready }))
  })
}

async function stopChild(child: ChildProcess): Promise<Stopped> {
  const stopped = new Promise<Stopped>((resolve) => child.once('message', (told) => resolve(told as Stopped)))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.send('stop')
  await ended
  return await stopped
}

/** One client that has up to 2,000 requests in flight. */
async function registerAll(nc: NatsConnection, pools: number): Promise<number> {
  const begun = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < pools) {
      const reply = await nc.request('pool.register', JSON.stringify(descriptor(next++)), { timeout: 60_000 })
      if (reply.headers?.get('Nats-Service-Error')) throw new Error(reply.string())
    }
  }
  await Promise.all(Array.from({ length: 2_000 }, worker))
  return (performance.now() - begun) / 1_000
}

const nameOf = (i: number): string => `pool-${String(i).padStart(7, '0')}`
const cursorAt = (name: string): string => Buffer.from(name).toString('base64url')

const descriptor = (i: number): object => ({
  name: nameOf(i),
  pool_type: 'mahavishnu',
  endpoint: `http://10.0.${(i >> 8) & 255}.${i & 255}:8000`,
  capabilities: ['python', `cap-${i % 1_000}`, `tier-${i % 5}`],
  max_workers: 16,
  region: `region-${i % 20}`,
  metadata: { owner: `team-${i % 50}`, cost_tier: 'standard' },
})

async function timed(what: string, times: number, ask: (i: number) => Promise<unknown>): Promise<void> {
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const begun = performance.now()
    await ask(i)
    took.push(performance.now() - begun)
  }
  took.sort((a, b) => a - b)
  const at = (share: number): string => took[Math.floor(share * (times - 1))]!.toFixed(2)
  say(what, `median ${at(0.5)} ms, p99 ${at(0.99)} ms`)
}

async function walk(
  ask: (subject: string, body: object) => Promise<unknown>,
  limit: number,
): Promise<{ found: number; pages: number }> {
  let found = 0
  let pages = 0
  let cursor: string | null = null
  do {
    const page = (await ask('pool.list', { limit, cursor })) as { pools: unknown[]; cursor: string | null }
    found += page.pools.length
    cursor = page.cursor
    pages++
  } while (cursor !== null)
  return { found, pages }
}

const since = (begun: number): string => ((performance.now() - begun) / 1_000).toFixed(1)

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(38)} ${value}\n`)
}

if (process.argv[2] === '--serve') await serve(process.argv[3]!)
else await measure(Number(process.argv[2] ?? 100_000))
