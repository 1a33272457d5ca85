// Lists of tasks, and tasks as they end: for people at terminals of several widths, and for machines.
import { stripVTControlCharacters } from 'node:util'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import stringWidth from 'string-width'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, jsonOf, start, startOnTerminal, startPool, startSystem } from './system.ts'

const HOSTILE = 'no \u001b[2J\u001b]0;owned\u0007 漢字 | <b>\u202e end'

/** What a terminal would obey, apart from the ends of lines. */
const OBEYED = /[^\P{Cc}\r\n]|\p{Bidi_Control}/u

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
const submit = (task_id: string, capability: string) =>
  system.executor.executeTask({
    task_id,
    task_type: 'some.work',
    payload: {},
    required_capabilities: [capability],
  })
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
  await startPool(system, 'good', ['good'], async () => ({}))
  await startPool(system, 'bad', ['bad'], async () => {
    throw new Error(HOSTILE)
  })
})
afterAll(() => system?.[Symbol.asyncDispose]())

const tasksOf = (answer: unknown) => (answer as { tasks: { task_id: string; status: string }[] }).tasks
const idsOf = (answer: unknown): string[] => tasksOf(answer).map(({ task_id }) => task_id)

test('a list of none, of what waits and of what has ended, narrowed and in every format', async () => {
  expect(await run(['tasks', 'list'])).toEqual({
    code: 0,
    stdout: '',
    stderr: 'poolmesh: no task waits, runs or has ended in the last hours\n',
  })
  await submit('one', 'good')
  await submit('two', 'bad')
  const waiting = system.executor.submit({
    task_id: 'three',
    task_type: 'x',
    required_capabilities: ['none'],
    payload: {},
  })
  await waiting.stored
  await until(async () => (await system.executor.getTaskStatus('three')).status === 'pending')
  const { stdout, stderr, code } = await run(['tasks', 'list'])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  const [titles, three, two, one] = stdout.split('\n')
  expect(titles?.trim().split(/ {2,}/)).toEqual(['task', 'status', 'type', 'pool', 'took', 'since', 'why'])
  expect(three).toMatch(/^ {2}three {2}pending +x +- +- {2}\S+Z {2}-$/)
  expect(two).toMatch(
    /^ {2}two +failed +- +bad +\d+ ms {2}\S+Z {2}.*no \\u\{1b\}\[2J\\u\{1b\}\]0;owned\\u\{7\} 漢字/,
  )
  expect(one).toMatch(/^ {2}one +completed +- +good +\d+ ms {2}\S+Z {2}-$/)
  const json = (...options: string[]) => run(['tasks', 'list', '--format', 'json', ...options]).then(jsonOf)
  expect(idsOf(await json())).toEqual(['three', 'two', 'one'])
  expect(idsOf(await json('--status', 'failed'))).toEqual(['two'])
  expect(idsOf(await json('--pool', 'good'))).toEqual(['one'])
  expect(idsOf(await json('--type', 'x'))).toEqual(['three'])
  expect((await run(['tasks', 'list', '--pool', 'nowhere'])).stderr).toBe('poolmesh: no task is like that\n')
  const markdown = await run(['tasks', 'list', '--format', 'markdown', '--status', 'failed'])
  expect(markdown.stdout).toMatch(
    /^\| task +\| status .*\n\| :?-.*\n\| two +\| failed +\| .* 漢字 \\\| &lt;b&gt;/,
  )
  const first = await run(['tasks', 'list', '--limit', '2'])
  const cursor = /--cursor (\S+) goes on/.exec(first.stderr)?.[1] ?? ''
  expect(idsOf(await json('--cursor', cursor))).toEqual(['one'])
  await system.executor.cancelTask('three')
})

test.each([40, 80, 200])(
  'at a terminal of %i columns no line is longer, and nothing moves the cursor',
  async (columns) => {
    const env = { NATS_URL: system.url }
    const { stdout, code } = await startOnTerminal(['tasks', 'list'], { columns, env }).ended
    expect(code).toBe(0)
    expect(stdout).not.toMatch(OBEYED)
    const lines = stdout.split('\r\n').slice(0, -1)
    if (columns > 40) expect(lines).toHaveLength(4)
    expect(lines.join('\n')).toMatch(/two.*\n?.*failed/)
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns)
    expect(stdout.includes('漢字')).toBe(columns === 200)
  },
)

test('a pipe gets every task that ends as a whole line, and Ctrl-C ends it', async () => {
  const it = start(['tasks', 'tail'], { env: { NATS_URL: system.url } })
  await it.says(/waiting for tasks that end/)
  await Promise.all(Array.from({ length: 30 }, (_, i) => submit(`piped-${i}`, i % 2 === 0 ? 'good' : 'bad')))
  let stdout = ''
  it.child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  await system.executor.executeTask({
    task_id: `last-${'x'.repeat(59)}`,
    task_type: 'w',
    payload: {},
    required_capabilities: ['good'],
  })
  await until(() => stdout.includes('last-'))
  it.child.kill('SIGINT')
  const ended = await it.ended
  expect(ended).toMatchObject({ code: 130, stderr: 'poolmesh: waiting for tasks that end; Ctrl-C stops\n' })
  const [titles, ...lines] = ended.stdout.trimEnd().split('\n')
  expect(titles?.trim().split(/ {2,}/)).toEqual(['ended (UTC)', 'status', 'took', 'pool', 'task', 'why'])
  expect(lines).toHaveLength(31)
  expect(lines.join('\n')).toContain(`last-${'x'.repeat(59)}`)
  expect(ended.stdout).not.toMatch(OBEYED)
})

test('a report gets rows of Markdown, with nothing in them that it would obey', async () => {
  const it = start(['tasks', 'tail', '--format', 'markdown', '--status', 'failed', '--limit', '1'], {
    env: { NATS_URL: system.url },
  })
  await it.says(/waiting for tasks that end/)
  await submit('in-a-report', 'bad')
  const { code, stdout } = await it.ended
  expect(code).toBe(0)
  const [titles, rule, row, ...more] = stdout.split('\n')
  expect(titles).toBe('| ended (UTC) | status | took | pool | task | why |')
  expect(rule).toBe('| - | - | -: | - | - | - |')
  expect(row).toMatch(/^\| \S+ \| failed \| .* \| bad \| in-a-report \| .*\|$/)
  expect(more).toEqual([''])
  expect(stdout).not.toMatch(OBEYED)
})

test('machines get a line of JSON for each, as many as they want, of the kind they want', async () => {
  const it = start(['tasks', 'tail', '--format', 'json', '--status', 'failed', '--limit', '3'], {
    env: { NATS_URL: system.url },
  })
  let over = false
  void it.ended.finally(() => {
    over = true
  })
  // It says nothing beside its lines: tasks go on ending until it has heard enough.
  await until(async () => {
    await Promise.all([submit(crypto.randomUUID(), 'bad'), submit(crypto.randomUUID(), 'good')])
    return over
  })
  const { code, stdout, stderr } = await it.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const tasks = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(tasks).toHaveLength(3)
  for (const task of tasks) expect(task).toMatchObject({ status: 'failed', pool_name: 'bad', error: HOSTILE })
})

test('a terminal gets no more lines than one can read, and no cursor is moved', async () => {
  const it = startOnTerminal(['tasks', 'tail', '--limit', '500'], {
    columns: 80,
    env: { NATS_URL: system.url },
  })
  let stdout = ''
  it.child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  await until(() => stdout.includes('waiting for tasks'))
  const tasks = Array.from({ length: 500 }, (_, i) => submit(`many-${i}`, 'good'))
  await Promise.all(tasks)
  const ended = await it.ended
  expect(ended.code).toBe(0)
  expect(ended.stdout).toBe(stripVTControlCharacters(ended.stdout))
  const lines = ended.stdout.split('\r\n').slice(0, -1)
  const told = lines.filter((line) => line.includes('many-')).length
  const more = lines.map((line) => Number(/… and ([\d,]+) more/.exec(line)?.[1] ?? 0)).reduce((a, b) => a + b)
  expect(told + more).toBe(500)
  expect(more).toBeGreaterThan(0)
  for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(80)
})
