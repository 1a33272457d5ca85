// Tasks as they end. A terminal gets as many lines as can be read, everything else gets all of them.
import { summaryOf, type TaskSummary, tailResults } from '@poolmesh/client'
import { formatLines, formatMarkdownLines } from '@poolmesh/terminal'
import { PoolmeshError, type TerminalStatus } from '@poolmesh/types'
import type { TasksTailOptions } from '../commands/tasks.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import { requireLimit } from '../options.ts'
import { notice, print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { TAIL_COLUMNS } from '../views/tasks.ts'

/** On a terminal: so often, so many lines at most. */
const TICK_MS = 250
const LINES_A_TICK = 5

export async function tailTasks(options: TasksTailOptions): Promise<ExitCode> {
  const limit = requireLimit(options.limit)
  const filter = { status: options.status as TerminalStatus[] | undefined, pool: options.pool }
  using interruption = onInterrupt()
  const { signal } = interruption
  return await withSystem(options, async ({ connection, executor }) => {
    // An answer says that there is somebody who works: silence would say nothing.
    await executor.getExecutorStats({ signal })
    const results = tailResults(connection, { filter, signal })
    await connection.flush()
    using lines = linesFor(options)
    if (options.format !== 'json') notice('waiting for tasks that end; Ctrl-C stops')
    void tellOutages(connection)
    let count = 0
    for await (const { result, at } of results) {
      lines.add(summaryOf(result, at))
      if (++count >= limit) break
    }
    if (results.missed > 0)
      notice(`${results.missed} were missed: they came faster than they could be printed`)
    if (signal.aborted) return EXIT.interrupted
    if (count < limit) throw new PoolmeshError('UNAVAILABLE', 'the connection to the server was closed')
    return EXIT.done
  })
}

type Connection = Parameters<typeof tailResults>[0]

async function tellOutages(connection: Connection): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') notice('the server is away; waiting for it')
    if (type === 'reconnect') notice('the server is back; `poolmesh tasks list` has what ended meanwhile')
  }
}

interface Lines extends Disposable {
  add(task: TaskSummary): void
}

function linesFor({ format }: TasksTailOptions): Lines {
  if (format === 'json') return { add: printJson, [Symbol.dispose]: () => {} }
  const markdown = format === 'markdown'
  // What is to be pasted elsewhere is whole, wherever it is printed.
  const width = markdown ? undefined : terminalWidth()
  const { titles, line } = markdown ? formatMarkdownLines(TAIL_COLUMNS) : formatLines(TAIL_COLUMNS, width)
  print(titles)
  if (width === undefined) return { add: (task) => print(line(task)), [Symbol.dispose]: () => {} }
  return new CalmLines(line)
}

/** Whole lines at an even pace, each written once: nothing flickers, and what was read stays where it is. */
class CalmLines implements Lines {
  readonly #line: (task: TaskSummary) => string
  readonly #timer = setInterval(() => this.#tick(), TICK_MS)
  #text = ''
  #lines = 0
  #more = 0

  constructor(line: (task: TaskSummary) => string) {
    this.#line = line
  }

  add(task: TaskSummary): void {
    if (this.#lines === LINES_A_TICK) this.#more++
    else {
      this.#lines++
      this.#text += this.#line(task)
    }
  }

  #tick(): void {
    if (this.#lines === 0) return
    print(this.#more === 0 ? this.#text : `${this.#text}  … and ${this.#more.toLocaleString('en-US')} more\n`)
    this.#text = ''
    this.#lines = 0
    this.#more = 0
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#tick()
  }
}
