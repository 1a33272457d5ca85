// Real processes for the tests: what they print, how they end, and whether anything is left of them.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './wait.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** The first line of standard output that the pattern fits. Fails when the process ends before. */
  line(pattern: RegExp): Promise<string>
  readonly ended: Promise<Ended>
}

/** Without what the surroundings set for poolmesh: a test says itself what it wants. */
function environment(changes: Record<string, string>): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(POOLMESH_|MAHAVISHNU_POOLS__|NATS_URL$|NODE_OPTIONS$|VITEST)/.test(name),
  )
  return { ...Object.fromEntries(clean), ...changes }
}

/** @param script below services/up/src */
export function run(script: string, args: string[], env: Record<string, string>): RunningProcess {
  const child = spawn(process.execPath, [join('services', 'up', 'src', script), ...args], {
    cwd: ROOT,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  let over: Ended | null = null
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      over = { code, signal }
      resolve(over)
    })
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    async line(pattern) {
      return await until(
        () => {
          const found = stdout
            .split('\n')
            .slice(0, -1)
            .find((line) => pattern.test(line))
          if (!found && over) throw new Error(`it ended (${over.signal ?? over.code}): ${stderr}`)
          return found
        },
        `a line like ${pattern}; it said: ${stderr}`,
        45_000,
      )
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), 12_000)
      await ended
      clearTimeout(killer)
    },
  }
}

/** Processes on this machine, no zombies, whose environment or command line has that text. */
export function processesWith(text: string): number[] {
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      if (/\) [ZX] /.test(stat)) continue
      const about =
        readFileSync(`/proc/${pid}/environ`, 'utf8') + readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (about.includes(text)) found.push(pid)
    } catch {
      // Gone meanwhile, or somebody else's.
    }
  }
  return found
}
