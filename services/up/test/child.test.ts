import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { type Child, startChild } from '../src/child.ts'

interface Watched extends AsyncDisposable {
  child: Child
  lines: string[]
  notices: string[]
}
function run(script: string): Watched {
  const lines: string[] = []
  const notices: string[] = []
  const child = startChild({
    name: 'the child',
    args: ['-e', script],
    env: process.env,
    onLine: (line) => void lines.push(line),
    onNotice: (line) => void notices.push(line),
  })
  return { child, lines, notices, [Symbol.asyncDispose]: () => child.stop(2_000) }
}

const STAYS = `
  process.on('SIGTERM', () => { console.log('asked to stop'); process.exit(0) })
  process.on('disconnect', () => process.exit(0))
  process.send('ready')`

test('it is ready when it says so, and what it wrote before is shown then', async () => {
  await using it = run(`console.log('first'); ${STAYS}; console.error('later')`)
  await it.child.ready
  await until(() => it.lines.includes('later'))
  expect(it.lines[0]).toBe('first')
  expect(it.notices).toEqual([])
})

test('one that ends before it is ready fails the start with its own last words', async () => {
  await using it = run(`console.error('poolmesh: the port is taken'); process.exit(1)`)
  await expect(it.child.ready).rejects.toThrow(/^the port is taken$/)
  await using other = run('process.exit(7)')
  await expect(other.child.ready).rejects.toThrow('the child did not start (exit code 7)')
  expect([it.lines, it.notices, other.notices]).toEqual([[], [], []])
})

test('one that ends unasked is started again, and both are said', async () => {
  await using it = run(STAYS)
  await it.child.ready
  const { pid } = it.child
  process.kill(pid!, 'SIGKILL')
  await until(() => it.notices.length === 2)
  expect(it.notices).toEqual(['the child ended (SIGKILL), starting it again in 250 ms', 'the child is back'])
  expect(it.child.pid).not.toBe(pid)
})

test('the wait doubles for one that keeps ending', async () => {
  await using it = run(`process.send('ready', () => process.exit(1))`)
  await it.child.ready
  const said = (ms: number): boolean => it.notices.some((line) => line.endsWith(`again in ${ms} ms`))
  await until(() => said(250) && said(500) && said(1_000))
})

test('stopping asks first, and is not followed by a start', async () => {
  const it = run(STAYS)
  await it.child.ready
  await it.child.stop(5_000)
  expect(it.lines).toContain('asked to stop')
  expect(it.notices).toEqual([])
  expect(() => process.kill(it.child.pid!, 0)).toThrow('ESRCH')
})

test('one that does not stop is killed at the limit', async () => {
  const it = run(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); process.send('ready')`)
  await it.child.ready
  await it.child.stop(50)
  expect(() => process.kill(it.child.pid!, 0)).toThrow('ESRCH')
})

test('stopping while it waits to be started again leaves nothing behind', async () => {
  const it = run(STAYS)
  await it.child.ready
  process.kill(it.child.pid!, 'SIGKILL')
  await until(() => it.notices.length === 1)
  await it.child.stop(1_000)
  expect(it.notices).toHaveLength(1)
})
