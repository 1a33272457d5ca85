import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { headers } from '@nats-io/transport-node'
import { startTestServer, until } from '@poolmesh/testkit'
import { BUCKETS, STREAMS } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import {
  endpoint,
  ensureTopology,
  followPools,
  hasInterest,
  Publisher,
  serve,
  silentLogger,
  WRONG_LAST_SEQUENCE,
} from '../src/index.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
beforeAll(async () => {
  server = await startTestServer()
  await server.topology()
})
afterAll(() => server[Symbol.asyncDispose]())

test('the topology can be made by several services at once and again', async () => {
  const connections = await Promise.all([1, 2, 3].map(() => server.connect()))
  await Promise.all(connections.map((nc) => ensureTopology(nc)))
  const jsm = await jetstreamManager(connections[0]!)
  const info = await jsm.streams.info(STREAMS.tasks)
  expect(info.config.retention).toBe('workqueue')
})

test('the publisher tells the sequence, and a lost compare-and-set as a refusal', async () => {
  const nc = await server.connect()
  using publisher = new Publisher(nc)
  const h = headers()
  h.set('Nats-Expected-Last-Subject-Sequence', '0')
  const first = await publisher.store('task.completed.x', '{}', h)
  expect(first.kind).toBe('stored')
  const second = await publisher.store('task.completed.x', '{}', h)
  expect(second.kind).toBe('refused')
  expect(second.kind === 'refused' && WRONG_LAST_SEQUENCE.has(second.code)).toBe(true)
  const nowhere = await publisher.store('nobody.listens', '{}')
  expect(nowhere.kind).toBe('unknown')
  const large = await publisher.store('task.completed.y', 'x'.repeat(2_000_000))
  expect(large).toMatchObject({ kind: 'refused', code: 413 })
})

test('interest is seen for plain subscribers and queue groups, without a message to them', async () => {
  const nc = await server.connect()
  const jsm = await jetstreamManager(nc)
  const other = await server.connect()
  let received = 0
  const callback = () => void received++
  other.subscribe('pool.work.plain', { callback })
  other.subscribe('pool.work.grouped', { queue: 'grouped', callback })
  await other.flush()
  expect(await hasInterest(jsm, 'pool.work.plain', 'plain')).toBe(true)
  expect(await hasInterest(jsm, 'pool.work.grouped', 'grouped')).toBe(true)
  expect(await hasInterest(jsm, 'pool.work.nobody', 'nobody')).toBe(false)
  await other.flush()
  expect(received).toBe(0)
})

test('followers hear what was stored before, then changes, then heartbeats', async () => {
  const nc = await server.connect()
  const bucket = await new Kvm(nc).open(BUCKETS.pools)
  await bucket.put('before', JSON.stringify({ name: 'before' }))
  const heard: string[] = []
  await using _feed = await followPools(await server.connect(), {
    upserted: (pool) => void heard.push(`+${pool.name}`),
    removed: (name) => void heard.push(`-${name}`),
    heartbeat: (name, workers) => void heard.push(`${name}=${workers}`),
    ready: () => void heard.push('ready'),
  })
  expect(heard).toEqual(['+before', 'ready'])
  await bucket.put('after', JSON.stringify({ name: 'after' }))
  await until(() => heard.includes('+after'))
  await bucket.delete('before')
  await until(() => heard.includes('-before'))
  nc.publish('pool.heartbeat.after', '{"current_workers":3}')
  await until(() => heard.includes('after=3'))
})

test('an empty set of pools is followed without waiting', async () => {
  await using fresh = await startTestServer()
  await fresh.topology()
  await using _feed = await followPools(await fresh.connect(), {})
})

test('services are found, check their input and refuse with a code and a path', async () => {
  const nc = await server.connect()
  await using _service = await serve(nc, {
    name: 'poolmesh-test',
    description: 'a test',
    log: silentLogger(),
    endpoints: [
      endpoint({
        subject: 'test.double',
        request: z.object({ n: z.number() }),
        handle: ({ n }) => ({ n: 2 * n }),
      }),
      endpoint({
        subject: 'test.broken',
        request: z.object({}),
        handle: () => {
          throw new Error('boom')
        },
      }),
    ],
  })
  expect((await nc.request('test.double', '{"n":2}')).json()).toEqual({ n: 4 })
  const refused = await nc.request('test.double', '{"n":"x"}')
  expect(refused.headers?.get('Nats-Service-Error-Code')).toBe('400')
  expect(refused.json()).toMatchObject({ error: { code: 'INVALID_INPUT', issues: [{ path: 'n' }] } })
  expect((await nc.request('test.double', 'nonsense')).json()).toMatchObject({
    error: { code: 'INVALID_JSON' },
  })
  expect((await nc.request('test.broken', '')).json()).toMatchObject({ error: { code: 'INTERNAL' } })
  expect((await nc.request('$SRV.PING.poolmesh-test', '')).json()).toMatchObject({ name: 'poolmesh-test' })
  expect((await nc.request('$SRV.INFO.poolmesh-test', '')).json()).toMatchObject({ version: '0.1.0' })
})
