// The folder of an embedded server: writable, used by one process at a time, rid of a server that a killed process
// left behind.
import { createHash } from 'node:crypto'
import { mkdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PoolmeshError } from '@poolmesh/types'

/** Written by nats-server itself. */
export const PID_FILE = 'nats.pid'

/** Node's own way to make a folder with its parents never returns where the system lets nobody make any (as in /proc). */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || (await stat(parent).catch(() => null))) throw error
    await makeFolder(parent)
    await mkdir(path)
  }
}

/** Makes the folder and proves that it can be written to. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await makeFolder(dataDir)
    const probe = join(dataDir, `.write-test-${process.pid}`)
    await writeFile(probe, '')
    await rm(probe)
  } catch (cause) {
    throw new PoolmeshError(
      'INVALID_SETTING',
      `the data folder ${dataDir} cannot be written to (${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}): make it writable, or set POOLMESH_DATA_DIR to another`,
      [{ path: 'POOLMESH_DATA_DIR', message: 'is not writable' }],
    )
  }
}

/**
 * Keeps every other process on this machine from using the folder. The lock is a listening socket with a name made
 * from the folder: the system closes it with the process, so that no stale lock can stay.
 * @throws PoolmeshError INVALID_SETTING when the folder is in use
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  // Only Linux has socket names that are no files; elsewhere the server's port is what stops a second one.
  if (process.platform !== 'linux') return { async [Symbol.asyncDispose]() {} }
  const id = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
  const lock = createServer((socket) => socket.destroy())
  lock.unref()
  await new Promise<void>((resolve, reject) => {
    lock.once('error', reject)
    lock.listen({ path: `\0poolmesh-${id}` }, resolve)
  }).catch((cause: NodeJS.ErrnoException) => {
    throw new PoolmeshError(
      'INVALID_SETTING',
      `the data folder ${dataDir} is in use by a poolmesh that runs already (${cause.code}): stop that one, or set POOLMESH_DATA_DIR to another folder`,
      [{ path: 'POOLMESH_DATA_DIR', message: 'is in use' }],
      { cause },
    )
  })
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => lock.close(() => resolve())),
  }
}

/**
 * Whoever holds the lock is the folder's only owner, so a nats-server that still runs on it was left behind by a
 * process that was killed. It is stopped, as a restart after a crash has to need no hand.
 * @param config the configuration file that the server was started with
 */
export async function stopLeftover(dataDir: string, config: string): Promise<void> {
  const pid = Number(await readFile(join(dataDir, PID_FILE), 'utf8').catch(() => ''))
  if (!(pid > 1) || !(await runsWith(pid, config))) return
  process.kill(pid, 'SIGTERM')
  for (let waited = 0; waited < 5_000 && (await isAlive(pid)); waited += 20) await sleep(20)
  if (await isAlive(pid)) process.kill(pid, 'SIGKILL')
}

/** A number may long belong to another program: only Linux tells what a process is, so only there it is trusted. */
async function runsWith(pid: number, config: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return commandLine.split('\0').includes(config)
}

/** A zombie is dead: its sockets are closed, only nobody has asked for its exit code. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  return stat !== null && !/\) [ZX] /.test(stat)
}
