// Instructions a task of the pure parts of the hot path: `npm run bench -- instructions [--check] [--write]`.
//
// Counted by Valgrind, so that neither the machine's load nor its speed matters: V8 runs on one thread, and compiles and collects
// at fixed points (`--predictable`). Start-up is taken out by the difference between a long and a short loop.
//
//   --check   fails where a part takes more than 10 % more than bounds.json says     --write   writes bounds.json anew
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
})
const BOUNDS_FILE = join(import.meta.dirname, 'bounds.json')
const ALLOWED = 1.1
/** Tasks of the short loop, long enough for V8 to have compiled all of it, and of the long one. */
const [SHORT, LONG] = [20_000, 40_000] as const
const PARTS = ['route', 'decode', 'answers', 'encode', 'engine'] as const
const V8 = ['--predictable', '--single-threaded', '--hash-seed=1', '--random-seed=1']
const VALGRIND = [
  '--tool=cachegrind',
  '--cache-sim=no',
  '--cachegrind-out-file=/dev/null',
  '--smc-check=all-non-file',
]

const run = promisify(execFile)
const node = (part: string, tasks: number): string[] => [
  ...V8,
  join(import.meta.dirname, 'parts.ts'),
  part,
  `${tasks}`,
]

async function instructions(part: string, tasks: number, env: NodeJS.ProcessEnv): Promise<number> {
  const { stderr } = await run('valgrind', [...VALGRIND, process.execPath, ...node(part, tasks)], { env })
  const counted = /I\s+refs:\s+([\d,]+)/.exec(stderr)?.[1]
  if (counted === undefined) throw new Error(`Valgrind counted nothing:\n${stderr}`)
  return Number(counted.replaceAll(',', ''))
}

async function countAll(): Promise<Record<string, number>> {
  // What Node makes of the sources is kept, or each count would begin with two thousand million instructions for that.
  const cache = await mkdtemp(join(tmpdir(), 'poolmesh-instructions-'))
  await using _ = { [Symbol.asyncDispose]: () => rm(cache, { recursive: true, force: true }) }
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  await run(process.execPath, node('engine', 1_000), { env })
  const found: Record<string, number> = {}
  for (const part of PARTS) {
    const [short, long] = await Promise.all([SHORT, LONG].map((tasks) => instructions(part, tasks, env)))
    found[part] = Math.round(((long as number) - (short as number)) / (LONG - SHORT))
  }
  return found
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
try {
  const found = await countAll()
  const bounds = JSON.parse(await readFile(BOUNDS_FILE, 'utf8').catch(() => '{}')) as Record<string, number>
  say(`${'part'.padEnd(10)}${'instructions a task'.padStart(20)}${'as kept'.padStart(10)}`)
  for (const part of PARTS) {
    const [now, kept] = [found[part] ?? Number.NaN, bounds[part]]
    const isOver = kept === undefined || now > kept * ALLOWED
    if (values.check && isOver) process.exitCode = 1
    const how = kept === undefined ? '' : `${((100 * now) / kept - 100).toFixed(1)} %`
    say(`${part.padEnd(10)}${String(now).padStart(20)}${String(kept ?? '-').padStart(10)}  ${how}`)
  }
  if (process.exitCode === 1) say(`more than ${((ALLOWED - 1) * 100).toFixed(0)} % above what is kept`)
  if (values.write) await writeFile(BOUNDS_FILE, `${JSON.stringify(found, null, 2)}\n`)
} catch (error) {
  const isMissing = (error as { code?: unknown }).code === 'ENOENT'
  process.stderr.write(
    isMissing
      ? 'bench: there is no valgrind: apt-get install valgrind\n'
      : `bench: ${(error as Error).stack ?? error}\n`,
  )
  process.exitCode = isMissing ? 2 : 1
}
