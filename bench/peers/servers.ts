// Redis and PostgreSQL of Debian, each on a free port of loopback with files of its own that go with it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { chown, mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'

const START_MS = 20_000
const POSTGRES_ROOT = '/usr/lib/postgresql'

export interface Server extends AsyncDisposable {
  url: string
  pid: number
  version: string
}

/** The server is not installed: its rows are left out. */
export class MissingServer extends Error {}

export async function startRedis(): Promise<Server> {
  const program = '/usr/bin/redis-server'
  if (!existsSync(program)) throw new MissingServer('redis-server is missing: apt-get install redis-server')
  const directory = await mkdtemp(join(tmpdir(), 'poolmesh-redis-'))
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory]
  // No snapshots beside the log: they would only cost.
  const durable = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '']
  const child = spawn(program, [...options, ...durable, '--loglevel', 'warning'], { stdio: 'ignore' })
  const url = `redis://127.0.0.1:${port}`
  const answers = async (): Promise<string> => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => {})
    try {
      await client.connect()
      return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? ''
    } finally {
      client.disconnect()
    }
  }
  return started('redis-server', child, url, answers, 'SIGTERM', directory)
}

export async function startPostgres(): Promise<Server> {
  const newest = existsSync(POSTGRES_ROOT) ? readdirSync(POSTGRES_ROOT).sort((a, b) => +b - +a)[0] : undefined
  const programs = join(POSTGRES_ROOT, newest ?? '', 'bin')
  if (!existsSync(join(programs, 'initdb')))
    throw new MissingServer('postgres is missing: apt-get install postgresql')
  const directory = await mkdtemp(join(tmpdir(), 'poolmesh-postgres-'))
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {}
  if (user.uid !== undefined) await chown(directory, user.uid, user.gid)
  const at = { cwd: directory, ...user }
  execFileSync(join(programs, 'initdb'), ['-D', directory, '-U', 'postgres', '-A', 'trust'], {
    ...at,
    stdio: 'ignore',
  })
  const port = await freePort()
  // Everything that has to do with speed is left at PostgreSQL's defaults.
  const options = ['-D', directory, '-p', `${port}`, '-h', '127.0.0.1', '-k', directory]
  const child = spawn(join(programs, 'postgres'), options, { ...at, stdio: 'ignore' })
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const answers = async (): Promise<string> => {
    const client = new pg.Client(url)
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
      return rows[0]?.server_version.split(' ')[0] ?? ''
    } finally {
      await client.end().catch(() => {})
    }
  }
  return started('postgres', child, url, answers, 'SIGINT', directory)
}

const idOf = (flag: '-u' | '-g'): number =>
  Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))

/** @param answers gives the server's version, or fails while it does not answer yet */
async function started(
  name: string,
  child: ChildProcess,
  url: string,
  answers: () => Promise<string>,
  stop: NodeJS.Signals,
  directory: string,
): Promise<Server> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const killed = (): void => {
    // Nothing of it is needed any more. Redis would stay, since it cannot save; PostgreSQL ends its backends at SIGQUIT.
    child.kill(name === 'postgres' ? 'SIGQUIT' : 'SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('exit', killed)
  const dispose = async (): Promise<void> => {
    child.kill(stop)
    if (child.exitCode === null && child.signalCode === null) await ended
    process.off('exit', killed)
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  for (const late = Date.now() + START_MS; ; await sleep(50)) {
    try {
      return { url, pid: child.pid ?? 0, version: await answers(), [Symbol.asyncDispose]: dispose }
    } catch (error) {
      if (child.exitCode === null && Date.now() < late) continue
      await dispose()
      throw new Error(`${name} did not start: ${(error as Error).message}`)
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}
