import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { resultSchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, environment, follow, jsonOf, ROOT, start, startPool, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
  await startPool(system, 'echo-pool', ['echo'], (task) => ({ task }))
  await startPool(system, 'sour-pool', ['sour'], (_, { attempt }) => {
    throw new Error(`attempt ${attempt} is\u001b[31m sour`)
  })
})
afterAll(() => system?.[Symbol.asyncDispose]())

const echo = ['submit', 'echo', '-c', 'echo']

test('it waits for the result and prints it for people', async () => {
  const { code, stdout, stderr } = await run([...echo, '--payload', '{"n":7}'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /^task {4}\S+\nstatus {2}completed\npool {4}echo-pool\ntook {4}\d+ ms, after waiting \d+ ms\n/,
  )
  expect(stdout).toContain('"payload": {\n      "n": 7\n    }')
})

test('--json prints the DistributedTaskResult and nothing else', async () => {
  const outcome = await run([...echo, '--payload', '{"n":7}', '--json'])
  const result = resultSchema.parse(jsonOf(outcome))
  expect(result).toMatchObject({
    status: 'completed',
    pool_name: 'echo-pool',
    output: { task: { payload: { n: 7 } } },
  })
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
})

test('every option arrives in the task, and what is left out gets its default', async () => {
  const args = ['--strategy', 'region_aware', '--timeout', '60', '--priority', '70', '--pool', 'echo-pool']
  const more = [
    '--region',
    'eu',
    '--metadata',
    '{"tenant":"a"}',
    '--max-attempts',
    '3',
    '--queue-timeout',
    '9',
  ]
  const given = await run([...echo, ...args, ...more, '--id', 'of_my_own', '--json'])
  expect(resultSchema.parse(jsonOf(given)).output?.['task']).toMatchObject({
    task_id: 'of_my_own',
    task_type: 'echo',
    payload: {},
    required_capabilities: ['echo'],
    routing_strategy: 'region_aware',
    timeout: 60,
    priority: 70,
    pool: 'echo-pool',
    metadata: { tenant: 'a', region: 'eu' },
    max_attempts: 3,
    queue_timeout: 9,
  })
  const plain = await run([...echo, '--json'])
  expect(resultSchema.parse(jsonOf(plain)).output?.['task']).toMatchObject({
    routing_strategy: 'least_loaded',
    timeout: 300,
    priority: 5,
    metadata: {},
    max_attempts: 1,
  })
})

test('--no-wait prints the id once the task is stored', async () => {
  const { code, stdout, stderr } = await run([...echo, '--no-wait'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^[A-Za-z0-9_-]{1,64}\n$/)
  expect(await system.executor.getTaskStatus(stdout.trim())).toMatchObject({ task_id: stdout.trim() })
  const asJson = await run([...echo, '--no-wait', '--json', '--id', 'kept'])
  expect(jsonOf(asJson)).toEqual({ task_id: 'kept' })
})

test('the payload comes from standard input, or from a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-cli-'))
  const file = join(folder, 'payload.json')
  await writeFile(file, '{"from":"a file"}')
  const output = async (payload: string, input?: string) =>
    resultSchema.parse(jsonOf(await run([...echo, '--json', '--payload', payload], input ? { input } : {})))
      .output
  expect(await output('-', '{"from":"standard input ü"}')).toMatchObject({
    task: { payload: { from: 'standard input ü' } },
  })
  expect(await output(`@${file}`)).toMatchObject({ task: { payload: { from: 'a file' } } })
  await rm(folder, { recursive: true })
})

test('a payload over the limit of one message gets there too', async () => {
  const text = 'x'.repeat(2_000_000)
  const outcome = await run([...echo, '--json', '--payload', '-'], { input: JSON.stringify({ text }) })
  expect(resultSchema.parse(jsonOf(outcome)).output).toMatchObject({ task: { payload: { text } } })
})

test('a reader that has had enough is no failure', async () => {
  const script = `npx poolmesh ${echo.join(' ')} --payload - | true; echo "\${PIPESTATUS[0]}"`
  const shell = spawn('bash', ['-c', script], { cwd: ROOT, env: environment({ NATS_URL: system.url }) })
  const { stdout, stderr } = await follow(shell, JSON.stringify({ text: 'x'.repeat(500_000) })).ended
  expect(stderr).toBe('')
  expect(stdout).toBe('0\n')
})

test('a task that fails is told with its reason, and ends with 1', async () => {
  const args = ['submit', 'any', '--capability', 'sour', '--max-attempts', '2']
  const { code, stdout, stderr } = await run(args)
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(stdout).toMatch(/^status {4}failed$/m)
  expect(stdout).toMatch(/^attempts {2}2$/m)
  expect(stdout).toMatch(/^reason {4}HANDLER_ERROR$/m)
  // What a pool says must not move the cursor or colour the terminal.
  expect(stdout).toContain('attempt 2 is\\u{1b}[31m sour')
  const asJson = await run([...args, '--json'])
  expect(asJson.code).toBe(1)
  expect(resultSchema.parse(jsonOf(asJson))).toMatchObject({
    status: 'failed',
    error: 'attempt 2 is\u001b[31m sour',
  })
})

test('what is no valid task is refused with the path of each fault, and ends with 2', async () => {
  const args = [...echo, '--timeout', '0', '--id', 'a.b']
  const { code, stdout, stderr } = await run(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^poolmesh: the task is not valid at .*\(INVALID_INPUT\)$/m)
  expect(stderr).toMatch(/^poolmesh: {3}task_id: must be 1 to 64 /m)
  expect(stderr).toMatch(/^poolmesh: {3}timeout: /m)
  const asJson = await run([...args, '--json'])
  expect(asJson).toMatchObject({ code: 2, stdout: '' })
  expect(JSON.parse(asJson.stderr)).toMatchObject({
    error: {
      code: 'INVALID_INPUT',
      issues: expect.arrayContaining([{ path: 'task_id', message: expect.any(String) }]),
    },
  })
})

test.each([
  ['no JSON', '{n:7}', /--payload is not JSON: .*\(INVALID_JSON\)/],
  ['no object', '[7]', /not valid at payload: must be an object \(INVALID_INPUT\)/],
  [
    'no file',
    '@/nowhere/payload.json',
    /--payload: the file \/nowhere\/payload.json cannot be read \(ENOENT\)/,
  ],
  ['nothing on standard input', '-', /--payload \(standard input\) is not JSON/],
])('a payload that is %s is refused by name', async (_, payload, message) => {
  const { code, stdout, stderr } = await run([...echo, '--payload', payload])
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr.trimEnd()).not.toContain('\n')
})

test('an id that is pending is refused, and ends with 6', async () => {
  const args = ['submit', 'any', '-c', 'nobody', '--id', 'twice', '--no-wait']
  expect((await run(args)).code).toBe(0)
  const { code, stderr } = await run(args)
  expect(code).toBe(6)
  expect(stderr).toMatch(/twice.*\(CONFLICT\)/)
})

test('it says what a task waits for; Ctrl-C ends the waiting and not the task, and says where to look', async () => {
  const it = start(['submit', 'any', '-c', 'nobody', '--id', 'waits'], { env: { NATS_URL: system.url } })
  await it.says(/poolmesh: waits waits: .*nobody/)
  it.child.kill('SIGINT')
  const { code, stdout, stderr } = await it.ended
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
  expect(stderr).toMatch(/The task goes on: poolmesh result waits --wait .* poolmesh cancel waits/)
  expect(await system.executor.getTaskStatus('waits')).toMatchObject({ status: 'pending' })
})
