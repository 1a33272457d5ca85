// Pools are registered, run tasks, are checked and taken out again.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { derivedPoolSchema, resultSchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, jsonOf, startOnTerminal, startPool, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-cli-pools-'))
  system = await startSystem()
  run = commandsFor(system.url)
})
afterAll(async () => {
  await system?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('a pool is registered from options, from a file and from standard input', async () => {
  const options = ['--type', 'mahavishnu', '--endpoint', 'http://127.0.0.1:9', '-c', 'gpu', '-c', 'cuda']
  const made = await run([
    'pools',
    'register',
    'by-options',
    ...options,
    '--max-workers',
    '3',
    '--region',
    'eu',
  ])
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(made.stdout).toMatch(/^pool +by-options\ntype +mahavishnu\nendpoint +http:\/\/127.0.0.1:9\n/)
  expect(await system.registry.getPoolStatus('by-options')).toMatchObject({
    capabilities: ['gpu', 'cuda'],
    max_workers: 3,
    region: 'eu',
  })
  const descriptor = JSON.stringify({ name: 'by-file', pool_type: 'nats', region: 'us', team: 'a' })
  const file = join(folder, 'pool.json')
  await writeFile(file, descriptor)
  const fromFile = jsonOf(await run(['pools', 'register', '--file', file, '--region', 'eu', '--json']))
  expect(derivedPoolSchema.parse(fromFile)).toMatchObject({ name: 'by-file', region: 'eu', team: 'a' })
  const fromInput = await run(['pools', 'register', 'by-input', '--file', '-', '--json'], {
    input: descriptor,
  })
  expect(jsonOf(fromInput)).toMatchObject({ name: 'by-input', region: 'us' })
})

test('what is no pool is refused with all that is wrong, by path', async () => {
  const { code, stdout, stderr } = await run([
    'pools',
    'register',
    'a pool',
    '--max-workers',
    '0',
    '--type',
    'nats',
  ])
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(
    /the pool is not valid at name: .*\(INVALID_INPUT\)\n.* {2}name: .*\n.* {2}max_workers: /,
  )
  const refusals: [string[], RegExp, string?][] = [
    [['x', '--type', 'mahavishnu'], /at endpoint: is required for a pool of type mahavishnu/],
    [['x'], /at pool_type: /],
    [['--file', join(folder, 'none')], /--file: the file .*none cannot be read \(ENOENT\)/],
    [['--file', '-'], /--file \(standard input\) is not JSON/, '{'],
    [['--file', '-'], /--file must have one pool/, '[]'],
    [['--file', '-', '--metadata', '-'], /cannot both be standard input/],
  ]
  for (const [args, message, input = ''] of refusals) {
    const refused = await run(['pools', 'register', ...args], { input })
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(message) })
  }
})

test('a pool is taken out when asked twice: by --yes, or on the terminal', async () => {
  const silent = await run(['pools', 'deregister', 'by-input'])
  expect(silent).toMatchObject({ code: 2, stderr: expect.stringMatching(/nothing was changed: say --yes/) })
  const env = { NATS_URL: system.url }
  const ask = (input: string) =>
    startOnTerminal(['pools', 'deregister', 'by-input'], { columns: 80, env, input }).ended
  for (const input of ['\n', 'n\n', 'No\n', 'yess\n', '']) {
    const no = await ask(input)
    expect(no.code).toBe(1)
    expect(no.stdout).toMatch(
      /Take out the pool by-input, busy 0\.0% \(0\/10\)\? \[y\/N\] .*nothing was changed/s,
    )
  }
  const interrupted = startOnTerminal(['pools', 'deregister', 'by-input'], { columns: 80, env, typed: true })
  await interrupted.shows(/\[y\/N\]/)
  interrupted.child.stdin?.write('\x03')
  expect((await interrupted.ended).code).toBe(130)
  await system.registry.getPoolStatus('by-input')
  const yes = await ask('y\n')
  expect(yes).toMatchObject({ code: 0, stdout: expect.stringMatching(/by-input is taken out/) })
  const { code, stdout } = await run(['pools', 'deregister', 'by-file', '--yes', '--json'])
  expect({ code, reply: JSON.parse(stdout) }).toEqual({
    code: 0,
    reply: { name: 'by-file', deregistered: true, draining: false },
  })
  expect(await run(['pools', 'deregister', 'by-file', '--yes'])).toMatchObject({ code: 4 })
  expect(await run(['pools', 'deregister', 'by-options', '--yes'])).toMatchObject({ code: 0 })
  expect(await system.registry.getAllPools()).toEqual([])
})

test('a task is run on the pool that is named', async () => {
  for (const name of ['east', 'west'])
    await startPool(system, name, ['any'], async ({ payload }) => {
      if (payload['bad']) throw new Error('it was bad')
      return { at: name }
    })
  for (const name of ['east', 'west']) {
    const done = await run(['pools', 'execute', name, 'where', '--json'])
    expect(resultSchema.parse(jsonOf(done))).toMatchObject({ pool_name: name, output: { at: name } })
    expect(done.code).toBe(0)
  }
  expect(await run(['pools', 'execute', 'east', 'x', '--payload', '{"bad":true}'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/error +it was bad/),
  })
  const id = (await run(['pools', 'execute', 'east', 'where', '--no-wait'])).stdout.trim()
  expect((await run(['result', id, '--wait'])).stdout).toMatch(/pool +east/)
  const nowhere = await run(['pools', 'execute', 'nowhere', 'where'])
  expect(nowhere).toMatchObject({ code: 4, stderr: expect.stringMatching(/nowhere.*\(NOT_FOUND\)/) })
})

test('the figures are those of the services', async () => {
  const stats = await run(['pools', 'stats'])
  expect(stats).toMatchObject({ code: 0, stderr: '' })
  expect(stats.stdout).toMatch(/^pools +2, none unavailable\nby type +nats 2\nby capability +any 2\n/)
  expect(stats.stdout).toMatch(/tasks ended +completed 3, failed 1/)
  expect(stats.stdout).toMatch(/ran +\d+.* on average, half within \d+ ms, 95 % within \d+ ms/)
  expect(jsonOf(await run(['pools', 'stats', '--json']))).toMatchObject({
    pools: { total_pools: 2 },
    tasks: { completed_tasks: expect.any(Number) },
    health: { check_interval: expect.any(Number) },
  })
})

test('health checks all pools or one, and the exit code says whether one is not healthy', async () => {
  const all = await run(['pools', 'health'])
  expect(all).toMatchObject({ code: 0, stderr: '' })
  expect(all.stdout).toMatch(
    /^ +pool +check +answered in +breaker +error\n +east +healthy +\d+ ms +closed +-\n +west /,
  )
  const one = await run(['pools', 'health', 'east'])
  expect(one).toMatchObject({ code: 0, stderr: '' })
  expect(one.stdout).toMatch(
    /^pool +east\nhealth +healthy\nbreaker +closed\n\n +checked +check +answered in +error\n( +\d{4}-\S+Z +healthy +\d+ ms +-\n){2,}$/,
  )
  await run(['pools', 'register', 'gone', '--type', 'mahavishnu', '--endpoint', 'http://127.0.0.1:9'])
  const sick = await run(['pools', 'health', '--format', 'markdown'])
  expect(sick.code).toBe(1)
  expect(sick.stdout).toMatch(/\| gone +\| (degraded|unavailable) +\| +- \| /)
  const { code, stdout } = await run(['pools', 'health', 'gone', '--json'])
  expect({ code, reply: JSON.parse(stdout) }).toMatchObject({
    code: 1,
    reply: { name: 'gone', error: expect.any(String) },
  })
  expect(await run(['pools', 'health', 'nowhere'])).toMatchObject({ code: 4 })
})
