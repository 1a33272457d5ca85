// A container that is a process of this machine: its environment, what it prints, and how it ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConfigMap, PodSpec } from './objects.ts'

/** Of what a container prints so much is kept. */
const MAX_LOG_BYTES = 4 * 1024 ** 2
const TERMINATION_MESSAGE_BYTES = 4_096
/** Of `FallbackToLogsOnError`. */
const FALLBACK_BYTES = 2_048
const FALLBACK_LINES = 80

export interface Exit {
  code: number
  message: string
}

/**
 * References to variables that were defined before are replaced; `$$` is a `$`.
 * As https://pkg.go.dev/k8s.io/kubernetes/third_party/forked/golang/expansion does.
 */
export function expand(text: string, known: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name?: string) =>
    name === undefined ? '$' : (known.get(name) ?? whole),
  )
}

export class ContainerProcess {
  readonly ended: Promise<Exit>
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #messageFile: string
  #log: Buffer[] = []
  #logBytes = 0

  /**
   * There are no mounts: a value in the environment that is a path inside of one, or the path of the termination message, is
   * replaced by where that is on this machine.
   */
  constructor({ containers, volumes }: PodSpec, configMap: (name: string) => ConfigMap | undefined) {
    const container = containers[0]
    if (!container) throw new Error('a pod without a container')
    this.#folder = mkdtempSync(join(tmpdir(), 'poolmesh-pod-'))
    this.#messageFile = join(this.#folder, 'termination-log')
    const places = new Map([[container.terminationMessagePath ?? '/dev/termination-log', this.#messageFile]])
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      const source = volumes?.find((volume) => volume.name === name)?.configMap?.name
      for (const [file, text] of Object.entries(configMap(source ?? '')?.data ?? {})) {
        writeFileSync(join(this.#folder, file), text)
        places.set(`${mountPath}/${file}`, join(this.#folder, file))
      }
    }
    const variables = new Map<string, string>()
    for (const { name, value = '' } of container.env ?? []) {
      const expanded = expand(value, variables)
      variables.set(name, places.get(expanded) ?? expanded)
    }
    const [command = 'true', ...args] = [...(container.command ?? []), ...(container.args ?? [])].map(
      (word) => expand(word, variables),
    )
    this.#child = spawn(command, args, {
      cwd: this.#folder,
      env: { PATH: process.env['PATH'], ...Object.fromEntries(variables) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that what it starts is killed with it.
      detached: true,
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#keep(chunk))
    const onError = container.terminationMessagePolicy === 'FallbackToLogsOnError'
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        rmSync(this.#folder, { recursive: true, force: true })
        resolve({ code: 128, message: error.message })
      })
      this.#child.once('close', (code, signal) => {
        const exit = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)
        const message = this.#message(exit !== 0 && onError)
        rmSync(this.#folder, { recursive: true, force: true })
        resolve({ code: exit, message })
      })
    })
  }

  #keep(chunk: Buffer): void {
    this.#log.push(chunk)
    this.#logBytes += chunk.length
    while (this.#logBytes > MAX_LOG_BYTES && this.#log.length > 1)
      this.#logBytes -= this.#log.shift()?.length ?? 0
  }

  get log(): string {
    return Buffer.concat(this.#log).toString()
  }

  #message(fallback: boolean): string {
    let written = ''
    try {
      written = readFileSync(this.#messageFile).subarray(0, TERMINATION_MESSAGE_BYTES).toString()
    } catch {
      // None was written.
    }
    if (written !== '' || !fallback) return written
    const tail = Buffer.from(this.log.trimEnd().split('\n').slice(-FALLBACK_LINES).join('\n'))
    return tail.subarray(-FALLBACK_BYTES).toString()
  }

  kill(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal)
    } catch {
      // It has ended.
    }
  }
}
