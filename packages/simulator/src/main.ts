// `npm run simulate`: many schedules, or one with its trace. See docs/simulator.md.
import { readOptions, type SimulateOptions, USAGE } from './options.ts'
import { scheduleOf } from './schedule.ts'
import { everything, type Selection, select, shrink } from './shrink.ts'
import { Totals } from './totals.ts'
import { VARIANTS } from './variant.ts'
import { World } from './world.ts'

const TELL_MS = 10_000

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const command = (seed: number, { faults, submissions }: Selection, variant: string | null): string =>
  `npm run simulate -- --seed ${seed} --faults "${faults.join(',')}" --submissions "${submissions.join(',')}"${
    variant === null ? '' : ` --variant ${variant}`
  }`

async function one(seed: number, options: SimulateOptions): Promise<boolean> {
  const schedule = scheduleOf(seed)
  const all = everything(schedule)
  const selection = {
    faults: options.faults ?? all.faults,
    submissions: options.submissions ?? all.submissions,
  }
  const variant = VARIANTS[options.variant ?? ''] ?? {}
  const outcome = await new World(select(schedule, selection), variant, true).run()
  say(outcome.trace.join('\n'))
  say(outcome.violation ?? `no violation: ${outcome.tasks} tasks, ${outcome.executions} runs`)
  return outcome.violation === null
}

async function many({ from, seeds, variant: name }: SimulateOptions): Promise<boolean> {
  const variant = VARIANTS[name ?? ''] ?? {}
  const totals = new Totals()
  let tellAt = performance.now() + TELL_MS
  for (let seed = from; seed < from + seeds; seed++) {
    const schedule = scheduleOf(seed)
    const outcome = await new World(schedule, variant).run()
    totals.add(outcome)
    if (outcome.violation !== null) {
      say(`seed ${seed}: ${outcome.violation}`)
      const least = await shrink(schedule, variant, outcome)
      say(`\nShortened, with what is left of its faults and submissions:\n`)
      say(least.outcome.trace.join('\n'))
      say(`\nAgain: ${command(seed, least.selection, name)}\n`)
      say(totals.text())
      return false
    }
    if (performance.now() < tellAt) continue
    tellAt = performance.now() + TELL_MS
    say(`${seed - from + 1} of ${seeds}`)
  }
  say(totals.text())
  return true
}

async function main(): Promise<boolean> {
  const options = readOptions(process.argv.slice(2))
  if (!options.help) return options.seed === null ? await many(options) : await one(options.seed, options)
  say(USAGE)
  return true
}

main().then(
  (clean) => {
    process.exitCode = clean ? 0 : 1
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n\n${USAGE}\n`)
    process.exitCode = 2
  },
)
