// A start that cannot succeed: one clear line, exit code 1, nothing left running.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startNatsServer } from '@poolmesh/bus'
import { processesWith, refusingPort, run, startTestServer } from '@poolmesh/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'

let dataDir: string
let env: Record<string, string>
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-up-'))
  env = {
    POOLMESH_DATA_DIR: dataDir,
    POOLMESH_NATS_PORT: String(await freePort()),
    POOLMESH_HTTP_PORT: String(await freePort()),
  }
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

async function refusal(changes: Record<string, string>): Promise<string> {
  const it = run('main.ts', [], { ...env, ...changes })
  expect(await it.ended).toEqual({ code: 1, signal: null })
  expect(it.stdout()).toBe('')
  expect(it.stderr()).toMatch(/^poolmesh: [^\n]+\n$/)
  expect(processesWith(dataDir)).toEqual([])
  return it.stderr().trimEnd()
}

async function squat(): Promise<{ port: string; server: Server }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: String((server.address() as { port: number }).port), server }
}

test('the port of the NATS server is taken', async () => {
  const { port, server } = await squat()
  expect(await refusal({ POOLMESH_NATS_PORT: port })).toMatch(
    new RegExp(`port ${port} .*another program has it.*POOLMESH_NATS_PORT`),
  )
  server.close()
})

test('the port of the gateway is taken, which is found before anything is started', async () => {
  const { port, server } = await squat()
  expect(await refusal({ POOLMESH_HTTP_PORT: port })).toMatch(
    new RegExp(`port ${port} .*another program has it.*POOLMESH_HTTP_PORT`),
  )
  expect(await readdir(dataDir)).toEqual([])
  server.close()
})

test('the data folder cannot be written to', async () => {
  // Below a file rather than without permission, which root would have.
  const file = join(dataDir, 'file')
  await writeFile(file, '')
  expect(await refusal({ POOLMESH_DATA_DIR: join(file, 'data') })).toMatch(
    /data folder .* cannot be written to \(ENOTDIR\).*POOLMESH_DATA_DIR/,
  )
})

test('the data folder is in use', async () => {
  const used = await mkdtemp(join(tmpdir(), 'poolmesh-used-'))
  {
    await using _server = await startNatsServer({ port: 0, dataDir: used })
    expect(await refusal({ POOLMESH_DATA_DIR: used })).toMatch(
      /is in use by a poolmesh that runs already.*POOLMESH_DATA_DIR/,
    )
  }
  await rm(used, { recursive: true })
})

test('a setting is wrong or unknown, in the environment and in the file', async () => {
  expect(await refusal({ POOLMESH_SYNC: 'sometimes' })).toMatch(/POOLMESH_SYNC is wrong/)
  expect(await refusal({ MAHAVISHNU_POOLS__MIN_WORKER: '1' })).toMatch(
    /MAHAVISHNU_POOLS__MIN_WORKER is not a setting/,
  )
  const POOLMESH_SETTINGS = join(dataDir, 'settings.yaml')
  await writeFile(POOLMESH_SETTINGS, 'pools:\n  min_workers: 11\n')
  expect(await refusal({ POOLMESH_SETTINGS })).toMatch(/pools\.min_workers is wrong/)
})

test('pools are switched off', async () => {
  expect(await refusal({ MAHAVISHNU_POOLS__ENABLED: 'false' })).toBe(
    'poolmesh: MAHAVISHNU_POOLS__ENABLED is false: nothing is started',
  )
  const POOLMESH_SETTINGS = join(dataDir, 'settings.yaml')
  await writeFile(POOLMESH_SETTINGS, 'pools:\n  enabled: false\n')
  expect(await refusal({ POOLMESH_SETTINGS })).toBe('poolmesh: pools.enabled is false: nothing is started')
})

test('the server that NATS_URL names does not answer', async () => {
  await using nothing = await refusingPort()
  const NATS_URL = `nats://127.0.0.1:${nothing.port}`
  expect(await refusal({ NATS_URL })).toContain(`no NATS server answers at ${NATS_URL}`)
})

test('the server that NATS_URL names has no JetStream', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'poolmesh-plain-'))
  {
    await using plain = await startNatsServer({
      port: 0,
      dataDir: elsewhere,
      extraConfig: 'jetstream: false',
    })
    expect(await refusal({ NATS_URL: plain.url })).toMatch(/JetStream is not enabled on the NATS server/)
  }
  await rm(elsewhere, { recursive: true })
})

test('the data folder is where nobody can make one', async () => {
  expect(await refusal({ POOLMESH_DATA_DIR: '/proc/nowhere/at/all' })).toMatch(
    /^poolmesh: the data folder \S+ cannot be written to \(ENOENT\)/,
  )
})

test('three copies are asked of a server that runs alone', async () => {
  const alone =
    /^poolmesh: POOLMESH_REPLICAS is 3, and the NATS server at \S+ runs alone.*NATS_URL.*POOLMESH_REPLICAS=1$/
  expect(await refusal({ POOLMESH_REPLICAS: '3' })).toMatch(alone)
  await using other = await startTestServer()
  expect(await refusal({ POOLMESH_REPLICAS: '3', NATS_URL: other.url })).toMatch(alone)
})
