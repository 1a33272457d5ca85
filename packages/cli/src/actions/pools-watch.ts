// The pools as they change: a table that is redrawn in place on a terminal, a line for each change elsewhere.
import { setTimeout as pause } from 'node:timers/promises'
import type { PoolRegistry } from '@poolmesh/client'
import { formatLines, formatTable, Live, oneLine } from '@poolmesh/terminal'
import { PoolmeshError, type PoolView } from '@poolmesh/types'
import type { PoolsWatchOptions } from '../commands/pools-look.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import { notice, print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { changesBetween, type PoolNews } from '../views/pool-news.ts'
import { NEWS_COLUMNS, POOL_COLUMNS } from '../views/pools.ts'

const LEAST_SECONDS = 0.1
const USUAL_ROWS = 24
/** The line above the table, its titles, the line of what is left out, and one that stays free. */
const OTHER_LINES = 4

interface Screen extends Disposable {
  show(pools: readonly PoolView[]): void
  /** The system does not answer now. */
  away(why: string): void
}

export async function watchPools(options: PoolsWatchOptions): Promise<ExitCode> {
  const { interval } = options
  if (!(interval >= LEAST_SECONDS))
    throw new PoolmeshError('INVALID_INPUT', `--interval must be a number of seconds from ${LEAST_SECONDS}`)
  using interruption = onInterrupt()
  const { signal } = interruption
  return await withSystem(options, async ({ registry }) => {
    // Asked once before anything is shown: what cannot be asked at all is a failure and nothing to wait for.
    const first = await poolsOf(registry, options, signal)
    using screen = screenFor(options)
    screen.show(first)
    for (;;) {
      try {
        await pause(interval * 1_000, undefined, { signal })
        screen.show(await poolsOf(registry, options, signal))
      } catch (error) {
        if (signal.aborted) return EXIT.interrupted
        if (!isPassing(error)) throw error
        screen.away(error.message)
      }
    }
  })
}

const isPassing = (error: unknown): error is PoolmeshError =>
  error instanceof PoolmeshError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED')

async function poolsOf(
  registry: PoolRegistry,
  { capability, region }: PoolsWatchOptions,
  signal: AbortSignal,
): Promise<PoolView[]> {
  const filter = {
    ...(capability === undefined ? {} : { capability }),
    ...(region === undefined ? {} : { region }),
  }
  const pools: PoolView[] = []
  for await (const pool of registry.iterate(filter, { signal })) pools.push(pool)
  return pools
}

function screenFor({ json }: PoolsWatchOptions): Screen {
  if (json) return new Changes(printJson)
  if (process.stdout.isTTY) return new Table()
  const { titles, line } = formatLines(NEWS_COLUMNS)
  print(titles)
  return new Changes((news) => print(line(news)))
}

/** As many as there is room for, in their own order: rows that changed places could not be read. */
function busiest(pools: readonly PoolView[], count: number): readonly PoolView[] {
  if (pools.length <= count) return pools
  const kept = new Set([...pools].sort((a, b) => b.load_factor - a.load_factor).slice(0, count))
  return pools.filter((pool) => kept.has(pool))
}

class Table implements Screen {
  readonly #live = new Live(process.stdout)
  #pools: readonly PoolView[] = []

  show(pools: readonly PoolView[]): void {
    this.#pools = pools
    this.#draw(`${pools.length.toLocaleString('en-US')} pools; Ctrl-C stops`)
  }

  away(why: string): void {
    this.#draw(`as it was before: ${why}`)
  }

  #draw(title: string): void {
    const { columns, rows = USUAL_ROWS } = process.stdout
    const room = Math.max(1, rows - OTHER_LINES)
    const table = formatTable(POOL_COLUMNS, busiest(this.#pools, room), columns, 'fewer')
    // One that is too narrow for any table has several lines for each pool.
    const lines = table.split('\n', room + 1)
    const left = this.#pools.length - room
    if (left > 0) lines.push(`  … and ${left.toLocaleString('en-US')} more that are less busy`)
    this.#live.show([oneLine(title), ...lines].join('\n'))
  }

  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]()
  }
}

/** What is there at the beginning comes first, as new. */
class Changes implements Screen {
  readonly #tell: (news: PoolNews) => void
  #before = new Map<string, PoolView>()
  #away = false

  constructor(tell: (news: PoolNews) => void) {
    this.#tell = tell
  }

  show(pools: readonly PoolView[]): void {
    this.#away = false
    const now = new Map(pools.map((pool) => [pool.name, pool]))
    const at = new Date().toISOString()
    for (const change of changesBetween(this.#before, now)) this.#tell({ at, ...change })
    this.#before = now
  }

  away(why: string): void {
    if (!this.#away) notice(`waiting: ${why}`)
    this.#away = true
  }

  [Symbol.dispose](): void {}
}
