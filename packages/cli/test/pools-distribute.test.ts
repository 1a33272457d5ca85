// One task on several pools, and one result of theirs.
import type { Msg } from '@nats-io/transport-node'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { fanOutOutputSchema, resultSchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, jsonOf, type Outcome, startOnTerminal, startPool, startSystem } from './system.ts'

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
/** Ends the tasks that wait. */
let open = (): void => {}
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
  for (const name of ['a', 'b', 'c'])
    await startPool(system, name, ['vote'], async ({ payload }) => {
      if (payload['bad'] === name) throw new Error(`${name} was bad`)
      if (payload['late'] === name)
        await new Promise<void>((resolve) => {
          open = resolve
        })
      return { vote: payload['odd'] === name ? 'no' : 'yes' }
    })
})
afterAll(() => system?.[Symbol.asyncDispose]())

const distribute = (...args: string[]): Promise<Outcome> => run(['pools', 'distribute', 'vote', ...args])
const bad = (name: string): string[] => ['--payload', JSON.stringify({ bad: name })]

test('all pools that fit, or those that are named, are in the table of branches', async () => {
  const all = await distribute('-c', 'vote')
  expect(all).toMatchObject({ code: 0, stderr: '' })
  expect(all.stdout).toMatch(
    /^task +pm_\w+\nstatus +completed\nby +all_success\nbranches +3 of 3 completed\n\n +pool +status +took +decided +output or error\n +a +completed +\d+ ms +yes +\{"vote":"yes"\}\n/,
  )
  const two = await distribute('a', 'c', '--format', 'markdown')
  expect(two.stdout).toMatch(/^\| pool +\| status .*\| a +\| completed .*\n\| c +\| completed .*\n$/s)
})

test('the exit code is how the whole ended, by what decides it', async () => {
  const failed = await distribute('a', 'b', 'c', ...bad('b'))
  expect(failed.code).toBe(1)
  expect(failed.stdout).toMatch(/status +failed\n.*branches +2 of 3 completed\n.* b +failed .* b was bad\n/s)
  for (const decided of [
    ['--aggregation', 'first_success'],
    ['--aggregation', 'majority'],
    ['--quorum', '2'],
  ])
    expect(await distribute('a', 'b', 'c', ...decided, ...bad('b'))).toMatchObject({ code: 0 })
  const three = await distribute('a', 'b', 'c', '--quorum', '3', '--json', ...bad('b'))
  const parent = resultSchema.parse(jsonOf(three))
  expect({ code: three.code, status: parent.status }).toEqual({ code: 1, status: 'failed' })
  expect(fanOutOutputSchema.parse(parent.output)).toMatchObject({ aggregation: 'quorum' })
})

test('what is wrong is said, by path', async () => {
  expect(await distribute('a', '--quorum', '2')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/fan_out\.quorum: is 2, but there are only 1 pools/),
  })
  expect(await distribute('a', '--max-parallel', '0')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/fan_out\.max_parallel/),
  })
  const none = await distribute('-c', 'nobody', '--queue-timeout', '1')
  expect(none).toMatchObject({ code: 1, stdout: expect.stringMatching(/status +timeout/) })
})

test('a terminal shows how many branches have ended while one still runs', async () => {
  const args = ['pools', 'distribute', 'vote', '--payload', '{"late":"b"}']
  const running = startOnTerminal(args, { columns: 100, env: { NATS_URL: system.url } })
  await running.shows(/ 66% {2}2 branches/)
  open()
  const { code, stdout } = await running.ended
  expect(code).toBe(0)
  expect(stdout).toMatch(/branches +3 of 3 completed/)
})

test('of more branches than a status lists, a terminal counts all', async () => {
  const names = Array.from({ length: 1_500 }, (_, i) => `many-${i}`)
  const { connection: nc, registry } = system
  const held: Msg[] = []
  const answer = (work: Msg): boolean => work.respond('{"status":"completed","output":{}}')
  for (const [i, name] of names.entries())
    nc.subscribe(`pool.work.${name}`, {
      queue: name,
      callback: (_, work) => void (i < 1_200 ? answer(work) : held.push(work)),
    })
  await Promise.all(
    names.map((name) => registry.registerPool({ name, pool_type: 'nats', capabilities: ['many'] })),
  )
  const args = ['pools', 'distribute', 'vote', '-c', 'many', '--max-parallel', '1500']
  const running = startOnTerminal(args, { columns: 100, env: { NATS_URL: system.url } })
  await running.shows(/ 80% {2}1,200 branches/)
  await until(() => held.length === 300)
  held.map(answer)
  const { code, stdout } = await running.ended
  expect(code).toBe(0)
  expect(stdout).toMatch(/branches +1500 of 1500 completed/)
}, 60_000)
