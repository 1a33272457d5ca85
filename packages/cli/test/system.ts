// A whole system for a test file, and the real command as a process beside it.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { definePool, type TaskHandler } from '@poolmesh/worker'

export const ROOT = join(import.meta.dirname, '..', '..', '..')
const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts')

export const startSystem = (): Promise<DistributedPoolSystem> =>
  createDistributedPoolSystem({ embedded: 'always' })

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  /** Resolves when standard error has text that the pattern fits; fails when the process ends before. */
  says(pattern: RegExp): Promise<void>
  /** The same of standard output. */
  shows(pattern: RegExp): Promise<void>
}

/** Without what the surroundings set for poolmesh: a test says itself what it wants. */
export function environment(changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(POOLMESH_|MAHAVISHNU_POOLS__|NATS_URL$|NODE_OPTIONS$|VITEST|FORCE_COLOR$)/.test(name),
  )
  return { ...Object.fromEntries(clean), ...changes }
}

export interface CommandOptions {
  input?: string
  env?: NodeJS.ProcessEnv
}

export function start(args: readonly string[], { input, env = {} }: CommandOptions = {}): Running {
  return follow(
    spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, env: environment(env), stdio: 'pipe' }),
    input,
  )
}

/**
 * The same with a terminal of that width, which `script` makes. What it wrote is in `stdout`, with all that moves the cursor.
 * @param options.typed the caller writes to `child.stdin` what somebody would type
 */
export function startOnTerminal(
  args: readonly string[],
  {
    columns,
    env = {},
    input,
    typed = false,
  }: { columns: number; env?: NodeJS.ProcessEnv; input?: string; typed?: boolean },
): Running {
  const words = [process.execPath, MAIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
  const command = `stty rows 24 cols ${columns}; exec ${words.join(' ')}`
  // The end of its input ends what reads from the terminal: only where there is input.
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: ROOT,
    env: environment({ TERM: 'xterm-256color', ...env }),
    stdio: [input === undefined && !typed ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  return typed ? watched(child) : follow(child, input)
}

export function follow(child: ChildProcess, input?: string): Running {
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  return watched(child)
}

/** A process that the caller gives its input. */
export function watched(child: ChildProcess): Running {
  let stdout = ''
  let stderr = ''
  let over = false
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => {
      over = true
      resolve({ code, stdout, stderr })
    })
  })
  const has = async (pattern: RegExp, text: () => string, where: string): Promise<void> => {
    await until(() => {
      const found = pattern.test(text())
      if (over && !found) throw new Error(`it ended and had said: ${stdout}${stderr}`)
      return found
    }, `${pattern} on ${where}`)
  }
  return {
    child,
    ended,
    says: (pattern) => has(pattern, () => stderr, 'standard error'),
    shows: (pattern) => has(pattern, () => stdout, 'standard output'),
  }
}

/** Commands for the server of a system, each awaited to its end. */
export function commandsFor(url: string) {
  return (args: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
    start(args, { ...options, env: { NATS_URL: url, ...options.env } }).ended
}

/** The one JSON object that standard output has, on its one line. */
export function jsonOf({ stdout, stderr }: Outcome): unknown {
  if (!/^[^\n]+\n$/.test(stdout)) throw new Error(`not one line: ${JSON.stringify(stdout)} (${stderr})`)
  return JSON.parse(stdout)
}

/** A pool of the worker package on the connection of the system. */
export const startPool = (
  system: DistributedPoolSystem,
  name: string,
  capabilities: string[],
  handler: TaskHandler,
  more: { region?: string; maxWorkers?: number } = {},
) => definePool({ name, capabilities, handler, ...more }).start({ nc: system.connection })
