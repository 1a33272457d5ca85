// Redis and PostgreSQL for the peers: Debian's binaries, on free ports of loopback, with files of their own that go with them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from '@poolmesh/bus'

export interface PeerServer extends AsyncDisposable {
  url: string
  /** Its children are part of it. */
  pid: number
  version: string
}

/** What a peer needs is not installed. */
export class Missing extends Error {}

const READY_MS = 20_000
const DEBIAN_POSTGRES = '/usr/lib/postgresql'

function find(program: string, more: readonly string[] = []): string {
  const folders = [...more, ...(process.env['PATH'] ?? '').split(delimiter)]
  const found = folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
  if (found === undefined) throw new Missing(`there is no ${program}`)
  return found
}

/** Appends every write to a file that is synced once a second, as BullMQ's documents ask for. */
export async function startRedis(): Promise<PeerServer> {
  let program: string
  try {
    program = find('redis-server')
  } catch {
    throw new Missing('there is no redis-server: apt-get install redis-server')
  }
  const folder = await mkdtemp(join(tmpdir(), 'bench-redis-'))
  const port = await freePort()
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction']
  const child = spawn(program, [...options, ...durable], { stdio: ['ignore', 'pipe', 'inherit'] })
  await saying(child, /Ready to accept connections/)
  const version = execFileSync(program, ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)?.[1] ?? '?'
  return owned(child, folder, { url: `redis://127.0.0.1:${port}`, version: `Redis ${version}` }, 'SIGTERM')
}

/** With its defaults; only the socket's folder is another. As root it runs as the user that Debian makes for it. */
export async function startPostgres(): Promise<PeerServer> {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES).sort().reverse() : []
  let bin: string
  try {
    bin = join(
      find(
        'initdb',
        versions.map((version) => join(DEBIAN_POSTGRES, version, 'bin')),
      ),
      '..',
    )
  } catch {
    throw new Missing('there is no PostgreSQL: apt-get install postgresql')
  }
  const user = process.getuid?.() === 0 ? ids('postgres') : null
  const folder = await mkdtemp(join(tmpdir(), 'bench-postgres-'))
  if (user) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o700)
  const data = join(folder, 'data')
  const as = { ...user, cwd: folder, env: { ...process.env, LC_ALL: 'C.UTF-8' } }
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8'], {
    ...as,
    stdio: 'ignore',
  })
  const port = await freePort()
  const options = ['-D', data, '-p', String(port), '-c', `unix_socket_directories=${folder}`]
  const child = spawn(join(bin, 'postgres'), options, { ...as, stdio: ['ignore', 'ignore', 'pipe'] })
  await saying(child, /ready to accept connections/)
  const version = execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).match(
    /[\d.]+/,
  )?.[0]
  const url = `postgres://bench@127.0.0.1:${port}/postgres`
  // At SIGINT it ends at once, whoever is connected.
  return owned(child, folder, { url, version: `PostgreSQL ${version}` }, 'SIGINT')
}

interface Ids {
  uid: number
  gid: number
}

function ids(user: string): Ids {
  const of = (flag: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  try {
    return { uid: of('-u'), gid: of('-g') }
  } catch {
    throw new Missing(`PostgreSQL does not run as root, and there is no user ${user}`)
  }
}

/** Resolves when the server says that it is ready. */
function saying(child: ChildProcess, ready: RegExp): Promise<void> {
  const output = child.stdout ?? child.stderr
  return new Promise((resolve, reject) => {
    let said = ''
    const fail = (why: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`${child.spawnfile} ${why}: ${said.slice(-1_000)}`))
    }
    const timer = setTimeout(() => fail(`is not ready after ${READY_MS} ms`), READY_MS)
    const onExit = (): void => fail('ended')
    const onData = (chunk: Buffer): void => {
      said += chunk.toString()
      if (!ready.test(said)) return
      clearTimeout(timer)
      child.off('exit', onExit)
      output?.off('data', onData)
      // What it says from now on nobody reads, but it must be able to say it.
      output?.resume()
      resolve()
    }
    child.once('exit', onExit)
    output?.on('data', onData)
  })
}

function owned(
  child: ChildProcess,
  folder: string,
  { url, version }: { url: string; version: string },
  signal: NodeJS.Signals,
): PeerServer {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    url,
    version,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      process.off('exit', kill)
      child.kill(signal)
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
