// A file of tasks: `npm run bench -- file [--lines 1000000]`, a few minutes. What the command line takes for
// `tasks submit --file`, on a mesh as `npm start` runs it with five pools: seconds, and the most memory it ever had. Then the
// same while it is killed (SIGKILL) in the middle and started again. Each line is held to have run once and to have one result.
//
// It does not measure: pools that work, and a broker on another machine. All share the processors.

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus, freePort } from '@poolmesh/bus'
import { run } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'

const COMMAND = join(import.meta.dirname, '..', 'packages', 'cli', 'src', 'main.ts')
const POOLS = ['pool-1', 'pool-2', 'pool-3', 'pool-4', 'pool-5']
const FILLER = 'x'.repeat(180)
const SAMPLE_MS = 50
const LOOK_MS = 200

const { values } = parseArgs({ options: { lines: { type: 'string', default: '1000000' } } })
const lines = Number(values.lines)
if (!Number.isSafeInteger(lines) || lines < 1_000) throw new Error('--lines: a whole number from 1000')

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const count = (number: number): string => number.toLocaleString('en-US')

/** What was run, and what was told of it, of the tasks of one file. */
class Tally {
  readonly runs: Uint8Array
  readonly results = new Set<string>()
  completed = 0
  told = 0

  constructor(size: number) {
    this.runs = new Uint8Array(size)
  }
}
let tally = new Tally(0)

async function write(path: string, size: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let first = 0; first < size; first += 10_000) {
    const length = Math.min(10_000, size - first)
    const some = Array.from({ length }, (_, i) => `{"payload":{"n":${first + i},"text":"${FILLER}"}}\n`)
    await file.write(some.join(''))
  }
}

interface Ended {
  seconds: number
  peakMiB: number
  code: number | null
}

/** @param killed whether it is to be killed now */
async function submit(url: string, path: string, killed = (): boolean => false): Promise<Ended> {
  const begun = performance.now()
  const args = [COMMAND, 'tasks', 'submit', 'bench.file', '-c', 'bench', '--file', path, '--server', url]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let peakMiB = 0
  const timer = setInterval(() => {
    peakMiB = Math.max(peakMiB, peakOf(child))
    if (killed()) child.kill('SIGKILL')
  }, SAMPLE_MS)
  const code = await ended
  clearInterval(timer)
  return { seconds: (performance.now() - begun) / 1_000, peakMiB, code }
}

/** So far. */
function peakOf({ pid }: ChildProcess): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024
  } catch {
    return 0
  }
}

/** Hears of every result; of those of a file there are as many as lines in the end. */
function listen(nc: NatsConnection): void {
  nc.subscribe('task.completed', {
    callback: (_, message) => {
      const told: { task_id: string; status: string }[] | { task_id: string; status: string } = message.json()
      for (const { task_id, status } of Array.isArray(told) ? told : [told]) {
        tally.told++
        tally.results.add(task_id)
        if (status === 'completed') tally.completed++
      }
    },
  })
}

/** Waits until nothing is pending. @throws Error where a line was run or told of more or less than once */
async function settle(nc: NatsConnection, size: number, begun: number): Promise<number> {
  while (tally.told < size) await sleep(LOOK_MS)
  const seconds = (performance.now() - begun) / 1_000
  // What is doubled comes later than what is first.
  for (let pending = 1; pending > 0; await sleep(LOOK_MS)) {
    const info = await nc.request('$JS.API.STREAM.INFO.TASKS', '', { timeout: 10_000 })
    pending = info.json<{ state: { messages: number } }>().state.messages
  }
  const { runs, results, completed, told } = tally
  const once = runs.filter((times) => times === 1).length
  const found = { once, results: results.size, completed, told }
  if (Object.values(found).some((number) => number !== size)) throw new Error(JSON.stringify(found))
  return seconds
}

async function measure(nc: NatsConnection, url: string, folder: string, size: number): Promise<void> {
  const path = join(folder, `${size}.ndjson`)
  await write(path, size)
  tally = new Tally(size)
  const begun = performance.now()
  const { seconds, peakMiB, code } = await submit(url, path)
  if (code !== 0) throw new Error(`exit code ${code}`)
  const all = await settle(nc, size, begun)
  say(
    `${count(size).padStart(9)} lines: stored in ${seconds.toFixed(1)} s, peak ${peakMiB.toFixed(0)} MiB; all had run, each once, after ${all.toFixed(1)} s`,
  )
}

async function interrupted(nc: NatsConnection, url: string, folder: string, size: number): Promise<void> {
  const path = join(folder, 'killed.ndjson')
  await write(path, size)
  tally = new Tally(size)
  const begun = performance.now()
  let half = false
  const look = async (): Promise<void> => {
    const text = await readFile(`${path}.position`, 'utf8').catch(() => '{}')
    half = (JSON.parse(text) as { lines?: number }).lines! >= size / 2
  }
  const looking = setInterval(() => void look(), SAMPLE_MS)
  const first = await submit(url, path, () => half)
  clearInterval(looking)
  if (first.code !== null) throw new Error('it was over before it was killed')
  const { lines: noted } = JSON.parse(await readFile(`${path}.position`, 'utf8')) as { lines: number }
  const second = await submit(url, path)
  if (second.code !== 0) throw new Error(`exit code ${second.code}`)
  const position = JSON.parse(await readFile(`${path}.position`, 'utf8')) as { stored: number; there: number }
  const all = await settle(nc, size, begun)
  say(
    `${count(size).padStart(9)} lines, killed at line ${count(noted)} after ${first.seconds.toFixed(1)} s: the rest was stored in ${second.seconds.toFixed(1)} s, peak ${second.peakMiB.toFixed(0)} MiB, with ${count(position.there)} found to be there already; all had run, each once, after ${all.toFixed(1)} s`,
  )
}

const folder = await mkdtemp(join(tmpdir(), 'poolmesh-bench-file-'))
await using parts = new AsyncDisposableStack()
parts.defer(() => rm(folder, { recursive: true, force: true }))
const port = await freePort()
const mesh = parts.use(
  run('main.ts', [], {
    POOLMESH_NATS_PORT: String(port),
    POOLMESH_HTTP_PORT: String(await freePort()),
    POOLMESH_DATA_DIR: join(folder, 'data'),
    POOLMESH_DEMO: '0',
    POOLMESH_LOG_LEVEL: 'warn',
  }),
)
await mesh.line(/^ready/)
const url = `nats://127.0.0.1:${port}`
const nc = await connectBus({ servers: url, name: 'bench' })
parts.defer(() => nc.close())
listen(nc)
for (const name of POOLS) {
  const pool = definePool({
    name,
    capabilities: ['bench'],
    maxWorkers: 100,
    handler: ({ payload }) => {
      tally.runs[Number(payload['n'])]!++
      return {}
    },
  })
  const started = await pool.start({ servers: url })
  parts.defer(() => started.stop())
}
await measure(nc, url, folder, Math.round(lines / 10))
await measure(nc, url, folder, lines)
await interrupted(nc, url, folder, lines)
