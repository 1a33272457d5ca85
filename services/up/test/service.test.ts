import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { refusingPort, run, startTestServer, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SERVICE_NAMES } from '../src/index.ts'

let bus: Awaited<ReturnType<typeof startTestServer>>
beforeAll(async () => {
  bus = await startTestServer()
})
afterAll(() => bus[Symbol.asyncDispose]())

interface Event {
  service: string
  msg: string
}
const event = (line: string): Event => JSON.parse(line) as Event

test.each(SERVICE_NAMES)('%s alone says that it is ready and stops cleanly', async (name) => {
  const POOLMESH_HTTP_PORT = String(await freePort())
  const it = run('service.ts', [name], { NATS_URL: bus.url, POOLMESH_HTTP_PORT })
  expect(event(await it.line(/"ready"/))).toMatchObject({ service: name, msg: 'ready' })
  it.child.kill('SIGTERM')
  expect(await it.ended).toEqual({ code: 0, signal: null })
  expect(it.stderr()).toBe('')
  for (const line of it.stdout().trim().split('\n')) expect(event(line).service).toBe(name)
})

test('it can be found as a micro service, and SIGINT stops it too', async () => {
  const it = run('service.ts', ['registry'], { NATS_URL: bus.url })
  await it.line(/"ready"/)
  const nc = await bus.connect()
  const answer = await nc.request('$SRV.PING.poolmesh-registry', '', { timeout: 5_000 })
  expect(answer.json()).toMatchObject({ name: 'poolmesh-registry' })
  it.child.kill('SIGINT')
  expect(await it.ended).toEqual({ code: 0, signal: null })
})

/** Ends with 1 and one line on standard error. */
async function refusal(args: string[], env: Record<string, string>): Promise<string> {
  const it = run('service.ts', args, env)
  expect(await it.ended).toEqual({ code: 1, signal: null })
  expect(it.stdout()).toBe('')
  expect(it.stderr().trimEnd()).not.toContain('\n')
  return it.stderr().trimEnd()
}

test('a service that there is not is refused with the names that there are', async () => {
  expect(await refusal(['registrar'], {})).toBe(
    'poolmesh: there is no service "registrar": npm run service -- registry|executor|distributor|health-monitor|gateway|memory',
  )
  expect(await refusal([], {})).toMatch(/^poolmesh: name a service: npm run service -- registry\|/)
  expect(await refusal(['toString'], {})).toMatch(/there is no service "toString"/)
})

test('wrong settings are refused by name', async () => {
  const env = { MAHAVISHNU_POOLS__MAX_WORKERS: '101', POOLMESH_NATZ_PORT: '1' }
  const line = await refusal(['registry'], env)
  for (const name of Object.keys(env)) expect(line).toContain(name)
})

test('with pools switched off nothing starts', async () => {
  expect(await refusal(['registry'], { MAHAVISHNU_POOLS__ENABLED: 'false' })).toBe(
    'poolmesh: MAHAVISHNU_POOLS__ENABLED is false: nothing is started',
  )
})

test('without a server it says where it looked', async () => {
  await using nothing = await refusingPort()
  const POOLMESH_NATS_PORT = String(nothing.port)
  expect(await refusal(['executor'], { POOLMESH_NATS_PORT })).toMatch(
    new RegExp(`no NATS server answers at nats://127.0.0.1:${POOLMESH_NATS_PORT}`),
  )
})

test('the gateway names the port that is taken', async () => {
  const squatter = createServer()
  const port = await new Promise<number>((resolve) => {
    squatter.listen(0, '127.0.0.1', () => resolve((squatter.address() as { port: number }).port))
  })
  const line = await refusal(['gateway'], { NATS_URL: bus.url, POOLMESH_HTTP_PORT: String(port) })
  expect(line).toMatch(new RegExp(`port ${port} .*EADDRINUSE.*POOLMESH_HTTP_PORT`))
  squatter.close()
})

test('npm passes SIGTERM on to it', async () => {
  const npm = spawn('npm', ['run', 'service', '--', 'registry'], {
    cwd: join(import.meta.dirname, '..', '..', '..'),
    env: { ...process.env, NATS_URL: bus.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  npm.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  const ended = new Promise((resolve) => npm.once('close', (code, signal) => resolve({ code, signal })))
  await until(() => printed.includes('"msg":"ready"'), 'the registry to be ready')
  npm.kill('SIGTERM')
  expect(await ended).toEqual({ code: 0, signal: null })
  expect(printed).toContain('"service":"registry"')
})
