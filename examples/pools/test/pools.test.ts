// Both pools in processes of their own, as a newcomer starts them, on a real server; the registry is played.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { startTestServer, until } from '@poolmesh/testkit'
import type { DistributedTaskResult } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'

let server: Awaited<ReturnType<typeof startTestServer>>
let nc: Awaited<ReturnType<typeof server.connect>>
const registered = new Set<string>()
const children: ChildProcess[] = []

beforeAll(async () => {
  server = await startTestServer()
  nc = await server.connect()
  nc.subscribe('pool.register', {
    callback: (_, message) => {
      registered.add(message.json<{ name: string }>().name)
      message.respond(message.data)
    },
  })
  for (const main of ['text-main.ts', 'data-main.ts'])
    children.push(
      spawn(process.execPath, [join(import.meta.dirname, '..', 'src', main)], {
        env: { ...process.env, NATS_URL: server.url },
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    )
  await until(() => registered.size === 2, 'both pools to register')
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await server[Symbol.asyncDispose]()
})

let next = 0
async function run(pool: string, type: string, payload: object): Promise<DistributedTaskResult> {
  const task = { task_id: `t${next++}`, task_type: type, payload }
  const answer = await nc.request(`pool.work.${pool}`, JSON.stringify(task), { timeout: 20_000 })
  return answer.json<DistributedTaskResult>()
}

test('the pools work on the project’s own files', async () => {
  const words = await run('text-pool', 'text.words', { path: 'LICENSE', top: 1 })
  expect(words).toMatchObject({ status: 'completed', output: { top: [{ word: 'the' }] } })
  const sales = { path: 'examples/data/sales.csv' }
  expect(await run('data-pool', 'csv.statistics', sales)).toMatchObject({
    status: 'completed',
    output: { rows: 300, columns: { units: { count: 300, missing: 0 } } },
  })
  const grouped = await run('data-pool', 'csv.group_by', {
    ...sales,
    by: 'region',
    aggregates: [{ op: 'sum', column: 'revenue' }],
  })
  const groups = ['central', 'east', 'north', 'south', 'west'].map((region) => ({
    key: { region },
    rows: 60,
  }))
  expect(grouped).toMatchObject({ status: 'completed', output: { rows: 300, groups } })
})

test('both give the same checksum', async () => {
  const payload = { path: 'examples/data/sales.csv' }
  const [one, other] = await Promise.all([
    run('text-pool', 'checksum', payload),
    run('data-pool', 'checksum', payload),
  ])
  expect(one.status).toBe('completed')
  expect(one.output).toEqual(other.output)
})

test('what they cannot do fails with what they can', async () => {
  const failed = await run('text-pool', 'csv.statistics', { text: 'a' })
  expect(failed).toMatchObject({ status: 'failed', metadata: { code: 'INVALID_INPUT' } })
  expect(failed.error).toContain('text.words, text.readability, hash.sha256, checksum')
  expect(await run('text-pool', 'text.words', { path: '../../etc/passwd' })).toMatchObject({
    status: 'failed',
    metadata: { code: 'INVALID_INPUT' },
  })
})

test('both stop on SIGTERM with exit code 0', async () => {
  for (const child of children) {
    child.kill('SIGTERM')
    expect((await once(child, 'exit'))[0]).toBe(0)
  }
})
