// Ends worker processes when their owner was killed and could not do it. A process of its own holds the other end of a pipe:
// when the owner is gone, however it went, the pipe ends.
import { type ChildProcess, spawn } from 'node:child_process'

export class Guard implements Disposable {
  readonly #graceMs: number
  readonly #pids = new Set<number>()
  #process: ChildProcess | null = null

  /** @param graceMs between SIGTERM and SIGKILL */
  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  add(pid: number): void {
    this.#pids.add(pid)
    if (this.#process) this.#tell(`+${pid}\n`)
    else this.#start()
  }

  delete(pid: number): void {
    this.#pids.delete(pid)
    this.#tell(`-${pid}\n`)
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(line)
  }

  #start(): void {
    // Its source goes along as text: built into one file, there would be no other to start.
    const script = `(${guard.toString()})(${this.#graceMs})`
    const child = spawn(process.execPath, ['--eval', script], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
      // What a terminal sends to all is not for it: it stays until the owner is gone.
      detached: true,
    })
    this.#process = child
    const gone = (): void => {
      if (this.#process === child) this.#process = null
    }
    child.once('exit', gone)
    child.once('error', gone)
    child.stdin.on('error', gone)
    child.unref()
    for (const pid of this.#pids) this.#tell(`+${pid}\n`)
  }

  /** What it still knows of is ended. */
  [Symbol.dispose](): void {
    this.#process?.stdin?.end()
    this.#process = null
  }
}

/** Runs in the other process, from its text: it may use nothing of this module. */
function guard(graceMs: number): void {
  const alive = new Set<number>()
  let rest = ''
  const end = (signal: NodeJS.Signals | 0): void => {
    for (const pid of alive)
      try {
        process.kill(pid, signal)
      } catch {
        alive.delete(pid)
      }
  }
  process.stdin.setEncoding('utf8')
  process.stdin.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines)
      if (line.startsWith('+')) alive.add(Number(line.slice(1)))
      else alive.delete(Number(line.slice(1)))
  })
  process.stdin.on('end', () => {
    end('SIGTERM')
    setInterval(() => {
      end(0)
      if (alive.size === 0) process.exit()
    }, 100)
    setTimeout(() => {
      end('SIGKILL')
      process.exit()
    }, graceMs)
  })
}
