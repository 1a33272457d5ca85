// poolmesh as in production: a broker that flushes once a second, and each service in a process of its own.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startNatsServer } from '@poolmesh/bus'
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

/** A broker of its own, on any free port, with files that go with it. */
export async function startBroker(parts: AsyncDisposableStack): Promise<{ url: string; pid: number }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-bench-'))
  parts.defer(() => rm(dataDir, { recursive: true, force: true }))
  const server = parts.use(await startNatsServer({ port: 0, dataDir, sync: '1s' }))
  // Where the process ends without disposing, the server goes first, by its own hook, and then its files.
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  parts.defer(() => void process.off('exit', remove))
  return server
}

/** @param execArgvOf what Node gets for a service, such as `--cpu-prof` */
export async function startProduct(execArgvOf: (name: string) => string[]): Promise<Product> {
  await using parts = new AsyncDisposableStack()
  const broker = await startBroker(parts)
  const processes: Processes = { 'nats-server': broker.pid }
  const logged: string[] = []
  const keep = (name: string, line: string): void => {
    if (logged.length < MAX_LOGGED) logged.push(`${name}: ${line}`)
  }
  await Promise.all(
    SERVICES.map(async (name) => {
      const service = parts.use(startService(name, broker.url, execArgvOf(name), (line) => keep(name, line)))
      processes[name] = service.pid
      await service.ready
    }),
  )
  const owned = parts.move()
  return { url: broker.url, processes, logged, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Service extends AsyncDisposable {
  pid: number
  ready: Promise<void>
}

function startService(
  name: string,
  url: string,
  execArgv: string[],
  onLine: (line: string) => void,
): Service {
  const child = spawn(process.execPath, [...execArgv, SERVICE_FILE, name], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, NATS_URL: url, POOLMESH_LOG_LEVEL: 'warn' },
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
