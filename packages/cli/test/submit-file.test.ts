// Files of tasks: every line once, whatever happens on the way.
import { appendFile, mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DistributedPoolSystem, listTasks } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, jsonOf, start, startOnTerminal, startPool, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
let folder: string
/** How often each `n` was run. */
const runs = new Map<string, number>()
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-file-'))
  system = await startSystem()
  run = commandsFor(system.url)
  await startPool(
    system,
    'counter',
    ['count'],
    async (task) => {
      const key = String(task.payload['n'])
      runs.set(key, (runs.get(key) ?? 0) + 1)
      return {}
    },
    { maxWorkers: 200 },
  )
})
afterAll(async () => {
  await system?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const lineOf = (n: string | number): string =>
  `${JSON.stringify({ task_type: 'count.one', payload: { n }, required_capabilities: ['count'] })}\n`
const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const runsOf = (prefix: string): number[] =>
  [...runs].filter(([key]) => key.startsWith(prefix)).map(([, count]) => count)
const total = (prefix: string): number => runsOf(prefix).reduce((sum, count) => sum + count, 0)

test('a submitter that is killed in the middle, twice, has submitted each line once in the end', async () => {
  const count = 80_000
  const path = await file('killed.ndjson', names('k', count).map(lineOf).join(''))
  for (let kills = 0; kills < 2; kills++) {
    const it = start(['tasks', 'submit', '--file', path], { env: { NATS_URL: system.url } })
    // The first note is made before anything is submitted. At the second, more is on its way than it tells of.
    let notes = 0
    for await (const { filename } of watch(folder))
      if (filename === 'killed.ndjson.position' && ++notes === 2) break
    it.child.kill('SIGKILL')
    expect((await it.ended).code).toBe(null)
  }
  expect(total('k')).toBeLessThan(count)
  const last = await run(['tasks', 'submit', '--file', path, '--json'])
  expect(last).toMatchObject({ code: 0, stderr: '' })
  const told = jsonOf(last) as Record<string, number>
  expect(told).toMatchObject({ lines: count, bad: 0 })
  expect(told['stored']! + told['there']!).toBe(count)
  await until(() => runsOf('k').length === count)
  const again = await run(['tasks', 'submit', '--file', path])
  expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/^80,000 tasks are stored/) })
  expect(again.stderr).toContain('all of it had been submitted before; --again')
  await until(
    async () =>
      (await listTasks(system.connection, system.executor, { type: 'count.one' })).items.length === 0,
  )
  expect(total('k')).toBe(count)
}, 120_000)

test('what is appended is submitted alone, another file not at all, and --again all of it', async () => {
  const path = await file('grows.ndjson', lineOf('g0') + lineOf('g1'))
  const submit = (...options: string[]) => run(['submit', '--file', path, ...options])
  expect(await submit()).toMatchObject({ code: 0, stdout: '2 tasks are stored\n' })
  await appendFile(path, `\n${lineOf('g2')}`.trimEnd())
  const more = await submit()
  expect(more).toMatchObject({ code: 0, stdout: '3 tasks are stored\n' })
  expect(more.stderr).toContain('going on behind line 2')
  await until(() => total('g') === 3)
  await writeFile(path, lineOf('h0').repeat(3))
  const other = await submit()
  expect(other).toMatchObject({ code: 2, stdout: '' })
  expect(other.stderr).toMatch(/grows\.ndjson\.position is of another file .*--again.*\(INVALID_INPUT\)/)
  expect(await submit('--again')).toMatchObject({ code: 0, stdout: '3 tasks are stored\n' })
  const elsewhere = join(folder, 'elsewhere')
  expect(await submit('--position', elsewhere)).toMatchObject({ code: 0, stdout: '3 tasks are stored\n' })
  expect(JSON.parse(await readFile(elsewhere, 'utf8'))).toMatchObject({ lines: 3, stored: 3 })
  await until(() => total('h') === 6)
  const missing = await run(['submit', '--file', join(folder, 'none')])
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/none cannot be read \(ENOENT\)/) })
})

test('lines that are no tasks are told of by their numbers and counted; the others run', async () => {
  const bad = ['{"task_type":', '[1]', '{"payload":{}}', '{"task_type":"x","payload":{},"timeout":0}']
  const path = await file('bad.ndjson', `\ufeff${lineOf('b0')}${bad.join('\n')}\r\n\n${lineOf('b1')}`)
  const { code, stdout, stderr } = await run(['tasks', 'submit', '--file', path])
  expect({ code, stdout }).toEqual({ code: 2, stdout: '2 tasks are stored; 4 lines are no tasks\n' })
  expect(stderr).toMatch(
    /line 2: .*JSON.*\n.*line 3: the line is no JSON object\n.*line 4: .*task_type.*\n.*line 5: .*timeout/,
  )
  await until(() => total('b') === 2)
  const many = await file('many.ndjson', '{}\n'.repeat(50))
  const told = (await run(['tasks', 'submit', '--file', many])).stderr
  expect(told.match(/line \d+:/g)).toHaveLength(20)
  expect(told).toContain('more lines are no tasks')
  expect(jsonOf(await run(['tasks', 'submit', '--file', many, '--again', '--json']))).toEqual({
    lines: 50,
    stored: 0,
    there: 0,
    bad: 50,
  })
})

test('standard input, with options for what its lines leave out and ids of their own, of any size and lane', async () => {
  const large = { payload: { n: 's-large', filler: 'x'.repeat(3 * 1024 ** 2) } }
  const lines = [
    { payload: { n: 's0' } },
    { payload: { n: 's1' }, priority: 90 },
    { payload: { n: 's2' }, task_id: 'own-name' },
    { payload: { n: 's2' }, task_id: 'own-name' },
    large,
  ]
  const input = lines.map((line) => JSON.stringify(line)).join('\n')
  const outcome = await run(['tasks', 'submit', 'count.one', '-c', 'count', '--file', '-', '--json'], {
    input,
  })
  const told = jsonOf(outcome) as { stored: number; there: number }
  expect({ code: outcome.code, all: told.stored + told.there }).toEqual({ code: 0, all: 5 })
  await until(() => runsOf('s').length === 4)
  await until(async () => (await system.executor.getTaskStatus('own-name')).status === 'completed')
  expect(total('s')).toBe(4)
})

test('a terminal shows a bar that is redrawn in place, and Ctrl-C ends it with a place to go on from', async () => {
  const path = await file('terminal.ndjson', names('t', 60_000).map(lineOf).join(''))
  const it = startOnTerminal(['tasks', 'submit', '--file', path], {
    columns: 60,
    env: { NATS_URL: system.url },
    typed: true,
  })
  let screen = ''
  it.child.stdout?.on('data', (chunk: Buffer) => {
    screen += chunk.toString()
  })
  await until(() => /[█░]{5,} +\d+% {2}[\d,]+ tasks/.test(screen))
  it.child.stdin?.write('\x03')
  const { code, stdout } = await it.ended
  expect(code).toBe(130)
  expect(stdout).toMatch(/stopped; all up to line \d+ is stored: the same command goes on from there/)
  const rest = await run(['tasks', 'submit', '--file', path])
  expect(rest).toMatchObject({ code: 0, stdout: expect.stringMatching(/^60,000 tasks are stored/) })
  await until(() => runsOf('t').length === 60_000)
  expect(total('t')).toBe(60_000)
}, 120_000)
