// poolmesh as in production: a broker that flushes once a second, and each service in a process of its own.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startNatsServer } from '@poolmesh/bus'
import { startTestCluster } from '@poolmesh/testkit'
import type { Processes } from '../processes/usage.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor'] as const
const SERVICE_FILE = join(import.meta.dirname, '..', '..', 'services', 'up', 'src', 'service.ts')
const READY_MS = 20_000
/** Lines of the services' logs that are kept. */
const MAX_LOGGED = 1_000

export interface System extends AsyncDisposable {
  readonly url: string
  /** Broker and services; the pools and the client are others'. */
  readonly processes: Processes
}

export interface Product extends System {
  /** Warnings and errors that the services have logged since they were started. */
  readonly logged: string[]
}

export interface Durability {
  /** As POOLMESH_SYNC. */
  sync: string
  /** NATS servers, each of which keeps a copy. */
  copies: 1 | 3
}
const USUAL: Durability = { sync: '1s', copies: 1 }

/** A broker of its own, on any free port, with files that go with it. */
export async function startBroker(
  parts: AsyncDisposableStack,
  sync = USUAL.sync,
): Promise<{ url: string; pid: number }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-bench-'))
  parts.defer(() => rm(dataDir, { recursive: true, force: true }))
  const server = parts.use(await startNatsServer({ port: 0, dataDir, sync }))
  // Where the process ends without disposing, the server goes first, by its own hook, and then its files.
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  parts.defer(() => void process.off('exit', remove))
  return server
}

async function startBrokers(
  parts: AsyncDisposableStack,
  { sync, copies }: Durability,
): Promise<{ url: string; processes: Processes }> {
  if (copies === 1) {
    const { url, pid } = await startBroker(parts, sync)
    return { url, processes: { 'nats-server': pid } }
  }
  const { url, nodes } = parts.use(await startTestCluster({ nodes: copies, sync }))
  return { url, processes: Object.fromEntries(nodes.map(({ name, pid }) => [`nats-server ${name}`, pid])) }
}

/**
 * @param execArgvOf what Node gets for a service, such as `--cpu-prof`
 * @param executors processes of that service: one dispatches, the others stand by
 */
export async function startProduct(
  execArgvOf: (name: string) => string[] = () => [],
  durability = USUAL,
  executors = 1,
): Promise<Product> {
  await using parts = new AsyncDisposableStack()
  const { url, processes } = await startBrokers(parts, durability)
  const env = { ...process.env, NATS_URL: url, POOLMESH_REPLICAS: String(durability.copies) }
  const logged: string[] = []
  const keep = (name: string, line: string): void => {
    if (logged.length < MAX_LOGGED) logged.push(`${name}: ${line}`)
  }
  const start = async (name: string, called = name): Promise<void> => {
    const service = parts.use(startService(name, env, execArgvOf(name), (line) => keep(called, line)))
    processes[called] = service.pid
    await service.ready
  }
  await Promise.all(SERVICES.map((name) => start(name)))
  for (let i = 2; i <= executors; i++) await start('executor', `executor ${i}`)
  const owned = parts.move()
  return { url, processes, logged, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Service extends AsyncDisposable {
  pid: number
  ready: Promise<void>
}

function startService(
  name: string,
  env: NodeJS.ProcessEnv,
  execArgv: string[],
  onLine: (line: string) => void,
): Service {
  const child = spawn(process.execPath, [...execArgv, SERVICE_FILE, name], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...env, POOLMESH_LOG_LEVEL: 'warn' },
  })
  for (const output of [child.stdout, child.stderr])
    if (output) createInterface({ input: output }).on('line', onLine)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} is not ready after ${READY_MS} ms`)), READY_MS)
    child.on('message', (message) => {
      if (message !== 'ready') return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`${name} ended (${signal ?? `exit code ${code}`})`))
    })
  })
  ready.catch(() => {})
  return {
    pid: child.pid ?? 0,
    ready,
    async [Symbol.asyncDispose]() {
      // It has its own limit of 10 s, after which it ends itself.
      child.kill('SIGTERM')
      await ended
    },
  }
}
