// `npm run chaos`: real processes, faults from a seed, a history of everything, and the checker's verdict on it.
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { check } from './check.ts'
import { clock, History } from './history/writer.ts'
import { runNemesis } from './nemesis/nemesis.ts'
import { planFaults } from './nemesis/plan.ts'
import { type ChaosOptions, readOptions, USAGE } from './options.ts'
import { JOB_POOL } from './system/adapted.ts'
import { poolsOf } from './system/population.ts'
import { System } from './system/system.ts'

/** Submitting goes on so long after the last fault, so that its recovery is seen. */
const CALM_MS = 8_000
/** From the last fault on. */
const DRAIN_MS = 60_000
/** The checker keeps some hundred bytes a task; the file about 600. */
const MAX_HISTORY_BYTES = 2 * 1024 ** 3
const VARIANTS = join(import.meta.dirname, 'variants')

const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function perform(
  options: ChaosOptions,
  folder: string,
  historyFile: string,
  signal: AbortSignal,
): Promise<void> {
  const base = clock()
  using history = new History(historyFile, base)
  const { minutes, seed, cluster, sync, variant, adapters } = options
  const pools = Object.fromEntries(poolsOf(adapters).map(({ name, slots }) => [name, slots]))
  const jobs = adapters ? [JOB_POOL.name] : []
  history.write({ e: 'run', seed, minutes, cluster, sync, variant, pools, jobs })
  await using system = await System.start({ options, folder, historyFile, base, history })
  say(`all processes run; faults for ${minutes} min`)
  const begun = performance.now()
  const durationMs = minutes * 60_000
  const tell = setInterval(async () => {
    const left = await system.left()
    const at = ((performance.now() - begun) / 1_000).toFixed(0)
    say(
      `  ${at} s: ${left?.messages ?? '?'} messages of tasks, history ${Math.round((await sizeOf(historyFile)) / 1e6)} MB`,
    )
  }, 15_000)
  const full = new AbortController()
  const watch = setInterval(async () => {
    if ((await sizeOf(historyFile)) > MAX_HISTORY_BYTES) full.abort()
  }, 1_000)
  try {
    const plan = planFaults(seed, durationMs, system.counts())
    const until = AbortSignal.any([signal, full.signal])
    await runNemesis(plan, system, history, until).catch((error: unknown) => {
      if (!full.signal.aborted || signal.aborted) throw error
      say('the history is full: no more faults, no more tasks')
    })
    const left = durationMs - (performance.now() - begun)
    if (!full.signal.aborted) await sleep(Math.max(0, left), undefined, { signal })
    history.write({ e: 'calm' })
    await drain(system, history, signal)
    say('reading everything once more')
    if (!(await system.readAll())) history.write({ e: 'note', text: 'not all could be read once more' })
  } finally {
    clearInterval(tell)
    clearInterval(watch)
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => null))?.size ?? 0

async function drain(system: System, history: History, signal: AbortSignal): Promise<void> {
  const end = performance.now() + DRAIN_MS
  await sleep(CALM_MS, undefined, { signal })
  say('submitting ends')
  system.stopSubmitting()
  for (;;) {
    await sleep(250, undefined, { signal })
    const left = await system.left(true)
    if (left?.open === 0) {
      history.write({ e: 'drained', messages: left.messages })
      // What was stored last is read too.
      await sleep(2_000, undefined, { signal })
      return
    }
    if (performance.now() < end) continue
    history.write({ e: 'left', messages: left?.messages ?? -1, open: left?.open ?? -1 })
    return
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    say(USAGE)
    return 0
  }
  if (options.check !== null) return await judge(options.check)
  const variants = (await readdir(VARIANTS)).map((file) => file.replace(/\.ts$/, ''))
  if (options.variant !== null && !variants.includes(options.variant))
    throw new Error(`--variant: one of ${variants.join(', ')}`)
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)))
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-chaos-'))
  const historyFile = join(folder, 'history.ndjson')
  say(`chaos with seed ${options.seed}${options.variant ? `, variant ${options.variant}` : ''}`)
  let code = 1
  try {
    await perform(options, folder, historyFile, interrupted.signal)
    code = await judge(historyFile)
    return code
  } finally {
    if (code !== 0 || options.keep) {
      const kept = await keep(folder)
      say(`history and logs: ${kept}`)
      say(`the verdict again: npm run chaos -- --check ${join(kept, 'history.ndjson')}`)
      const more = `${options.cluster ? ' --cluster' : ''}${options.adapters ? ' --adapters' : ''}${options.variant ? ` --variant ${options.variant}` : ''}`
      say(`the same faults:   npm run chaos -- --minutes ${options.minutes} --seed ${options.seed}${more}`)
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** History and logs, without the servers' files. */
async function keep(folder: string): Promise<string> {
  const kept = await mkdtemp(join(tmpdir(), 'poolmesh-chaos-kept-'))
  for (const name of await readdir(folder))
    if (/\.(ndjson|log)$/.test(name)) await copyFile(join(folder, name), join(kept, name))
  return kept
}

async function judge(historyFile: string): Promise<number> {
  const { text, violations } = await check(historyFile)
  say(`\n${text}`)
  say(violations === 0 ? 'no promise was broken' : `${violations} violations`)
  return violations === 0 ? 0 : 1
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // What a wait that was cut short says is why it was.
    const why = error instanceof Error && error.cause instanceof Error ? error.cause : error
    process.stderr.write(`chaos: ${why instanceof Error ? why.message : why}\n`)
    process.exit(1)
  },
)
