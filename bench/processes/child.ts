// One role in a process of its own, and how the benchmark talks with it.
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { CommandsOf, OptionsOf, RoleName } from './roles.ts'

export interface Call {
  id: number
  command: string
  parameters: unknown
}
export type Reply = { id: number; value: unknown } | { id: number; error: string }

const START_MS = 20_000
/** A worker pool drains for 10 s at most. */
const STOP_MS = 15_000

export class Child<Name extends RoleName> implements AsyncDisposable {
  readonly name: string
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #next = 0
  #stopping = false

  private constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#process = child
    this.ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`)),
    )
    child.on('message', (message: Reply | 'ready') => {
      if (message !== 'ready') this.#reply(message)
    })
    void this.ended.then((how) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended: ${how}`))
      this.#waiting.clear()
    })
  }

  /** @param execArgv for Node, such as `--cpu-prof` */
  static async start<Name extends RoleName>(
    role: Name,
    url: string,
    options: OptionsOf<Name>,
    execArgv: string[] = [],
    name: string = role,
  ): Promise<Child<Name>> {
    const file = join(import.meta.dirname, '..', 'role.ts')
    const forked = fork(file, [role, url, JSON.stringify(options)], {
      execArgv,
      // What a pool logs is no part of the table, and a benchmark's standard output may be JSON.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, POOLMESH_LOG_LEVEL: 'warn' },
    })
    const child = new Child<Name>(name, forked)
    const ready = new Promise<void>((resolve) => {
      forked.on('message', (message) => {
        if (message === 'ready') resolve()
      })
    })
    const timeout = AbortSignal.timeout(START_MS)
    const late = new Promise<string>((resolve) => {
      timeout.addEventListener('abort', () => resolve(`not ready after ${START_MS} ms`), { once: true })
    })
    const failure = await Promise.race([ready, child.ended, late])
    if (failure === undefined) return child
    forked.kill('SIGKILL')
    throw new Error(`${name} did not start: ${failure}`)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  call<Command extends keyof CommandsOf<Name> & string>(
    command: Command,
    ...[parameters]: CallParameters<CommandsOf<Name>[Command]>
  ): Promise<CallResult<CommandsOf<Name>[Command]>> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as never), reject })
      this.#process.send({ id, command, parameters } satisfies Call, (error) => {
        if (error) this.#reply({ id, error: error.message })
      })
    })
  }

  #reply(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('error' in reply) waiting?.reject(new Error(`${this.name}: ${reply.error}`))
    else waiting?.resolve(reply.value)
  }

  /** @returns how it ended */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<string> {
    if (!this.#stopping) this.#process.kill(signal)
    this.#stopping = true
    const killer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS)
    const how = await this.ended
    clearTimeout(killer)
    return how
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

type CallParameters<Function> = Function extends (...parameters: infer P) => unknown ? P : never
type CallResult<Function> = Function extends (...parameters: never) => Promise<infer Result> ? Result : never
