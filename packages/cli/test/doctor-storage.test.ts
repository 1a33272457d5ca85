// `poolmesh doctor` on streams and consumers that somebody altered: each difference by name, and what to do about it.
import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { DEFAULT_TOPOLOGY, ensureTopology } from '@poolmesh/bus'
import { run, startTestCluster, startTestServer, type TestNode, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { copiesFinding } from '../src/doctor/differences.ts'
import { doctor, examined, WELL } from './doctor.ts'
import { startSystem } from './system.ts'

/** Makes the streams and consumers, or says why it does not. */
async function startRegistry(url: string): Promise<string> {
  const registry = run('service.ts', ['registry'], { NATS_URL: url })
  const ready = registry.line(/"msg":"ready"/).then(() => 'ready')
  const end = await Promise.race([ready, registry.ended.then(() => registry.stderr())])
  await ready.catch(() => {})
  await registry[Symbol.asyncDispose]()
  return end
}

test('settings that a service sets back when it starts, and limits that nobody of ours has set', async () => {
  await using system = await startSystem()
  const jsm = await jetstreamManager(system.connection)
  const subjects = ['task.submitted', 'task.parked.>', 'task.elsewhere']
  await jsm.streams.update('TASKS', { subjects, max_bytes: 2 ** 30, max_msgs: 1_000 })
  await jsm.streams.update('RESULTS', { max_age: nanos(3_600_000), republish: { src: '>', dest: 'all.>' } })
  await jsm.streams.update('KV_POOLS', { max_age: nanos(600_000) })
  await jsm.consumers.update('TASKS', 'intake', { ack_wait: nanos(1_500), max_deliver: 3 })
  const lanes = await jsm.consumers.list('TASKS').next()
  const lane = lanes.find(({ name }) => name.startsWith('lane-low-back-'))?.name ?? ''
  await jsm.consumers.update('TASKS', lane, { max_ack_pending: 5 })

  const { code, checks, ill } = await examined(system.url)
  expect({ code, checks }).toEqual({
    code: 1,
    checks: {
      ...WELL,
      'stream TASKS': 'fail',
      'stream RESULTS': 'fail',
      'stream KV_POOLS': 'warn',
      'consumer intake': 'fail',
      [`consumer ${lane}`]: 'fail',
    },
  })
  expect(ill['stream TASKS']).toBe(
    'subjects lack task.submitted.urgent-back.*, task.submitted.urgent.*, task.submitted.high-back.*, ' +
      'task.submitted.high.*, task.submitted.normal-back.*, task.submitted.normal.*, task.submitted.low-back.*, ' +
      'task.submitted.low.*, task.submitted.fanout.* and subjects have task.elsewhere too; ' +
      'max_bytes is 1.0 GiB, not 8.0 GiB; max_msgs is 1000, not unlimited / ' +
      'Restart a service, such as the registry: services set it back when they start. ' +
      'Set POOLMESH_MAX_PENDING_BYTES here as the services have it; if they have it so, restart one: it sets it back. ' +
      'poolmesh sets no such limit: unless it is meant, take it off (nats stream edit TASKS).',
  )
  expect(ill['stream RESULTS']).toMatch(
    /^max_age is 1 h, not 24 h; republish is \{"src":">","dest":"all.>"\}, not \{.* Set POOLMESH_RESULTS_HOURS here/,
  )
  expect(ill['stream KV_POOLS']).toMatch(/^max_age is 10 min, not unlimited \/ poolmesh sets no such limit/)
  expect(ill['consumer intake']).toMatch(
    /^ack_wait is 1.5 s, not 6 s; max_deliver is 3, not unlimited \/ Restart/,
  )
  expect(ill[`consumer ${lane}`]).toBe(
    'max_ack_pending is 5, not 1000000 / Restart the executors: the one that takes over makes these anew.',
  )
  const asSet = { env: { POOLMESH_MAX_PENDING_BYTES: String(2 ** 30) } }
  expect((await examined(system.url, asSet)).ill['stream TASKS']).not.toContain('max_bytes')
  const table = await doctor(system.url)
  expect(table.stdout).toMatch(/\nfail: consumer intake: ack_wait is 1.5 s, .*\n {2}Restart a service/)

  await jsm.consumers.update('TASKS', lane, { max_ack_pending: 1_000_000 })
  expect(await startRegistry(system.url)).toBe('ready')
  const after = await examined(system.url)
  expect(after).toMatchObject({
    code: 0,
    checks: { ...WELL, 'stream TASKS': 'warn', 'stream KV_POOLS': 'warn' },
  })
  expect(after.ill['stream TASKS']).toMatch(/^max_msgs is 1000, not unlimited \//)
}, 60_000)

test('settings that the server never changes, which no service can start with', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  const jsm = await jetstreamManager(nc)
  await jsm.streams.add({ name: 'TASKS', subjects: ['task.submitted'], retention: RetentionPolicy.Limits })
  await jsm.streams.add({ name: 'RESULTS', subjects: ['task.completed.*'], storage: StorageType.Memory })
  expect(await startRegistry(server.url)).toMatch(
    /the stream (TASKS|RESULTS) has settings that the server does not change .*poolmesh doctor says/,
  )
  const { code, ill } = await examined(server.url)
  expect(code).toBe(1)
  expect(ill['stream TASKS']).toMatch(
    /; retention is limits, not workqueue; .* \/ The server changes that in no stream .*stop the services, take it out \(nats stream rm TASKS\) and start them/,
  )
  expect(ill['stream RESULTS']).toMatch(/; storage is memory, not file; .* \(nats stream rm RESULTS\)/)
  expect(ill['lanes']).toMatch(/^no consumer for any lane: .* npm run service -- executor/)
  for (const name of ['TASKS', 'RESULTS']) await jsm.streams.delete(name)
  expect(await startRegistry(server.url)).toBe('ready')
  expect((await examined(server.url)).checks).toMatchObject({ streams: 'ok', consumers: 'ok', lanes: 'fail' })
}, 60_000)

test('copies: what the setting says, or as many as other streams have', () => {
  const streams = [
    { name: 'TASKS', copies: 3 },
    { name: 'KV_POOLS', copies: 1 },
  ]
  expect(copiesFinding(streams, null)).toMatchObject({ outcome: 'warn', found: 'not 3, but 1 of KV_POOLS' })
  expect(copiesFinding(streams, 1)).toMatchObject({ outcome: 'warn', found: 'not 1, but 3 of TASKS' })
  expect(copiesFinding(streams.slice(0, 1), null)).toMatchObject({ outcome: 'ok', found: '3 of each stream' })
})

test('streams of a server that is down are not missing: nobody is told to make them anew', async () => {
  await using cluster = await startTestCluster()
  const nc = await cluster.connect()
  await ensureTopology(nc, { ...DEFAULT_TOPOLOGY, replicas: 1 })
  const jsm = await jetstreamManager(nc)
  const leaders = new Map<string, string>()
  for await (const { config, cluster: at } of jsm.streams.list()) leaders.set(config.name, at?.leader ?? '')
  const lost = cluster.nodes.find(({ name }) => name === leaders.get('TASKS')) as TestNode
  const silent = [...leaders].filter(([, leader]) => leader === lost.name).map(([name]) => name)
  await lost.kill('SIGKILL')
  const other = cluster.nodes.find((node) => node !== lost) as TestNode
  const { code, checks, ill } = await until(
    async () => {
      const found = await examined(other.url)
      return found.ill['streams'] ? found : undefined
    },
    'the loss to be seen',
    60_000,
  )
  expect(code).toBe(1)
  expect(checks['jetstream']).toBe('ok')
  const [found = '', advice = ''] = ill['streams']?.split(' / ') ?? []
  expect(found.replace('without an answer: ', '').split(', ').sort()).toEqual(silent.sort())
  expect(advice).toMatch(/start the servers of NATS that are down/)
  expect(ill['consumers']).toMatch(/^without an answer: intake, lane-fanout/)
}, 120_000)
