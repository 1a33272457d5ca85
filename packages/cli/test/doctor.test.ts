// `poolmesh doctor`: real servers, well and ill.
import { tmpdir } from 'node:os'
import { jetstreamManager } from '@nats-io/jetstream'
import { refusingPort, startTestServer } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { diskFinding } from '../src/doctor/disk.ts'
import { clockFinding } from '../src/doctor/server.ts'
import { doctor, examined, WELL } from './doctor.ts'
import { start, startSystem } from './system.ts'

test('a system that is well, and one that has lost a stream and a consumer', async () => {
  await using system = await startSystem()
  expect(await examined(system.url)).toEqual({ code: 0, checks: WELL, ill: {} })
  const table = await doctor(system.url)
  expect(table).toMatchObject({ code: 0, stderr: '' })
  expect(table.stdout).toMatch(/^ {2}check +is +found\n {2}server +ok +.*answers in \d+ ms\n/)
  expect(table.stdout).toMatch(/ {2}health-monitor +ok +answers, version 0\.1\.0\n$/)

  const here = { POOLMESH_NATS_PORT: new URL(system.url).port, POOLMESH_DATA_DIR: tmpdir() }
  const local = await start(['doctor'], { env: here }).ended
  expect(local.stdout).toMatch(/^ {2}disk +(ok|warn|fail) +[\d.]+ of [\d.]+ GiB free for /m)

  const jsm = await jetstreamManager(system.connection)
  await jsm.streams.delete('DEAD')
  await jsm.consumers.delete('TASKS', 'intake')
  const { code, checks, ill } = await examined(system.url)
  expect({ code, checks }).toEqual({ code: 1, checks: { ...WELL, streams: 'fail', consumers: 'fail' } })
  expect(ill['streams']).toMatch(/^missing: DEAD \/ Restart a service/)
  expect(ill['consumers']).toMatch(/^missing: intake \/ Restart a service/)
  const told = await doctor(system.url)
  expect(told.code).toBe(1)
  expect(told.stdout).toMatch(/\nfail: streams: missing: DEAD\n {2}Restart a service/)
  const markdown = await doctor(system.url, ['--format', 'markdown'])
  expect(markdown.stdout).toMatch(/^\| check +\| is +\| found +\| what to do +\|\n/)
})

test('no server: what to do, in each format, and 3', async () => {
  await using nothing = await refusingPort()
  const url = `nats://127.0.0.1:${nothing.port}`
  const { code, ill } = await examined(url)
  expect(code).toBe(3)
  expect(ill).toEqual({
    server: expect.stringMatching(/^no server answers at .* \(.*\) \/ Start poolmesh with `npm start`/),
  })
  const { stdout } = await doctor(url)
  expect(stdout).toMatch(/\nfail: server: no server answers .*\n {2}Start poolmesh/)
})

test('a server with users: one who may all, and others; no service runs', async () => {
  await using server = await startTestServer({
    extraConfig: `
      accounts {
        FULL: {
          jetstream: { max_streams: 11, max_store: 20G }
          users: [
            { user: all, password: x }
            { user: some, password: x, permissions: { publish: { deny: ["task.submitted.>", "pool.*"] } } }
            { user: none, password: x, permissions: { publish: ["nothing"], subscribe: ["_INBOX.>"] } }
          ]
        }
        OFF: { users: [{ user: without, password: x }] }
      }`,
  })
  const as = (user: string): string => server.url.replace('://', `://${user}:x@`)

  const all = await examined(as('all'))
  expect(all.code).toBe(1)
  expect(all.checks).toMatchObject({ permissions: 'ok', jetstream: 'ok', 'limit of streams': 'ok' })
  expect(all.ill['streams']).toMatch(/^missing: TASKS, RESULTS, .*KV_POOLS.*OBJ_PAYLOADS/)
  expect(all.ill['executor']).toMatch(/^does not answer: no task runs \/ .*npm run service -- executor/)
  expect(all.checks).toMatchObject({ registry: 'fail', executor: 'fail', distributor: 'warn' })

  const some = await examined(as('some'))
  expect(some.code).toBe(1)
  expect(some.ill['permissions']).toMatch(
    /^denied: publish task\.submitted\.\S+.*, publish pool\.list, publish pool\.get \//,
  )
  expect(some.ill['permissions']).not.toContain('task.status')

  const none = await examined(as('none'))
  expect(none.code).toBe(1)
  expect(none.ill['permissions']).toMatch(
    /Permissions Violation .* \/ Allow the user to publish to \$SYS\.REQ\.USER\.INFO/,
  )
  expect(none.ill['jetstream']).toMatch(/Permissions Violation .* \/ Allow the user to publish to \$JS\.API/)
  expect(none.checks).toMatchObject({ registry: 'warn', executor: 'warn' })

  const off = await examined(as('without'))
  expect(off.ill['jetstream']).toMatch(/ \/ Turn JetStream on .* for the account/)

  const stranger = await examined(as('stranger'))
  expect(stranger.code).toBe(3)
  expect(stranger.ill['server']).toMatch(/[Aa]uth.* \/ Set POOLMESH_NATS_TOKEN/)
})

test('clocks: what passes while the server answers is no difference', () => {
  expect(clockFinding(1_500, 1_000, 2_000).outcome).toBe('ok')
  expect(clockFinding(1_000, 1_900, 2_000).outcome).toBe('ok')
  expect(clockFinding(1_000, 3_000, 3_010)).toMatchObject({
    outcome: 'warn',
    found: expect.stringMatching(/^2\.0 s/),
  })
  expect(clockFinding(20_000, 3_000, 3_010).outcome).toBe('fail')
})

test('a disk that is nearly full is told of before it is', () => {
  const outcomes = [500, 50, 5].map((free) => diskFinding('.poolmesh', free, 1_000).outcome)
  expect(outcomes).toEqual(['ok', 'warn', 'fail'])
})
