// The pools as they change, on a terminal and in a pipe.
import type { DistributedPoolSystem } from '@poolmesh/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { start, startOnTerminal, startSystem } from './system.ts'

let system: DistributedPoolSystem
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  // No pool of this file is there, and what is shown is what they registered with.
  for (const name of ['POOLMESH_DEGRADED_AFTER', 'POOLMESH_UNAVAILABLE_AFTER']) vi.stubEnv(name, '1000')
  system = await startSystem()
  env = { NATS_URL: system.url }
  await register('first', 1)
})
afterAll(() => system?.[Symbol.asyncDispose]())

const register = (name: string, current_workers: number, more: { region?: string } = {}) =>
  system.registry.registerPool({ name, pool_type: 'nats', current_workers, ...more })
const WATCH = ['pools', 'watch', '--interval', '0.1']

test('a pipe gets a line for each change, as text or as JSON', async () => {
  const text = start(WATCH, { env })
  const json = start([...WATCH, '--json'], { env })
  const elsewhere = start([...WATCH, '--region', 'eu'], { env })
  await Promise.all([
    text.shows(/ new +healthy +1\/10 +0 {2}first\n/),
    json.shows(/"first"/),
    elsewhere.shows(/pool\n/),
  ])
  await register('first', 2)
  await Promise.all([text.shows(/ changed +healthy +2\/10 +0 {2}first\n/), json.shows(/"changed"/)])
  await register('other', 0, { region: 'eu' })
  await Promise.all([
    ...[text, elsewhere].map((each) => each.shows(/ new +healthy +0\/10 +0 {2}other\n/)),
    json.shows(/"other"/),
  ])
  await system.registry.deregisterPool('other')
  await Promise.all([text, elsewhere].map((each) => each.shows(/ gone .* other\n/)))
  await json.shows(/"gone"/)
  for (const { child } of [text, json, elsewhere]) child.kill('SIGINT')
  expect(await text.ended).toMatchObject({ code: 130, stderr: '' })
  const lines = (await json.ended).stdout.trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line)).map(({ pool, change }) => `${pool} ${change}`)).toEqual([
    'first new',
    'first changed',
    'other new',
    'other gone',
  ])
  expect((await elsewhere.ended).stdout).not.toContain('first')
})

test('a terminal gets one table that is redrawn where it changed, of the busiest, for its height', async () => {
  for (let i = 0; i < 30; i++) await register(`idle-${i}`, 0)
  const watch = startOnTerminal(WATCH, { columns: 80, env })
  await watch.shows(/31 pools; Ctrl-C stops\r\n +pool .*\r\n +first .*20\.0% \(2\/10\)/)
  await watch.shows(/… and 11 more/)
  await register('first', 7)
  await watch.shows(/70\.0% \(7\/10\)/)
  watch.child.kill('SIGINT')
  const { stdout } = await watch.ended
  // Drawn once as a whole; after that, the line that changed.
  expect(stdout.match(/capabilities/g)).toHaveLength(1)
  expect(stdout.match(/idle-0/g)).toHaveLength(1)
})

test('an interval that is none is refused', async () => {
  const { code, stderr } = await start(['pools', 'watch', '--interval', '0'], { env }).ended
  expect(code).toBe(2)
  expect(stderr).toMatch(/--interval must be a number of seconds from 0\.1/)
})

test('while the system is away, what was there stays and the reason is told', async () => {
  const pipe = start(WATCH, { env })
  const terminal = startOnTerminal(WATCH, { columns: 80, env })
  await Promise.all([pipe.shows(/ new .* first\n/), terminal.shows(/ first /)])
  await system.close()
  await Promise.all([pipe.says(/waiting: /), terminal.shows(/as it was before: .*\r\n +pool .*\r\n +first /)])
  pipe.child.kill('SIGINT')
  terminal.child.kill('SIGTERM')
  expect(await pipe.ended).toMatchObject({ code: 130 })
  const { stdout } = await terminal.ended
  expect(stdout.lastIndexOf('as it was before')).toBeGreaterThan(stdout.lastIndexOf('Ctrl-C stops'))
})
