import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { until } from '@poolmesh/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectBus, findNatsServer, requirePort, startNatsServer } from '../src/index.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-data-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

test('one folder takes one server at a time, and another once that one has stopped', async () => {
  const first = await startNatsServer({ port: 0, dataDir })
  await expect(startNatsServer({ port: 0, dataDir })).rejects.toThrow(
    /in use by a poolmesh that runs already/,
  )
  await first.stop()
  await using _second = await startNatsServer({ port: 0, dataDir })
})

test('a server that dies frees its folder', async () => {
  const first = await startNatsServer({ port: 0, dataDir })
  process.kill(first.pid, 'SIGKILL')
  expect(await first.died).toMatch(/SIGKILL/)
  await using _second = await startNatsServer({ port: 0, dataDir })
})

test('a server left behind by a killed process is stopped, and its port is free again', async () => {
  const bus = join(import.meta.dirname, '..', 'src', 'index.ts')
  const script = `
    const { startNatsServer } = await import(${JSON.stringify(bus)})
    const server = await startNatsServer({ port: 0, dataDir: ${JSON.stringify(dataDir)} })
    console.log(JSON.stringify({ pid: server.pid, port: server.port }))
    process.kill(process.pid, 'SIGKILL')`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const left = JSON.parse(run.stdout) as { pid: number; port: number }
  expect(isRunning(left.pid)).toBe(true)
  await using server = await startNatsServer({ port: left.port, dataDir })
  expect(isRunning(left.pid)).toBe(false)
  expect(server.port).toBe(left.port)
})

test('a number in the pid file that belongs to another program harms nobody', async () => {
  await writeFile(join(dataDir, 'nats.pid'), String(process.pid))
  await using server = await startNatsServer({ port: 0, dataDir })
  expect(Number(await readFile(join(dataDir, 'nats.pid'), 'utf8'))).toBe(server.pid)
})

test('a process that ends without stopping its server takes it along', async () => {
  const bus = join(import.meta.dirname, '..', 'src', 'index.ts')
  const script = `
    const { startNatsServer } = await import(${JSON.stringify(bus)})
    const server = await startNatsServer({ port: 0, dataDir: ${JSON.stringify(dataDir)} })
    console.log(server.pid)
    process.exit(3)`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(run.status).toBe(3)
  await until(() => !isRunning(Number(run.stdout)), 'the server to end')
})

test('a port that is taken is refused with the setting that names it', async () => {
  await using server = await startNatsServer({ port: 0, dataDir })
  await expect(requirePort(server.port, '127.0.0.1', 'POOLMESH_HTTP_PORT')).rejects.toThrow(
    `port ${server.port} on 127.0.0.1 cannot be used (EADDRINUSE): another program has it. Stop that program, or set POOLMESH_HTTP_PORT to a free port`,
  )
})

test('a folder that cannot be made is refused by the name of its setting', async () => {
  const file = join(dataDir, 'file')
  await writeFile(file, '')
  await expect(startNatsServer({ port: 0, dataDir: join(file, 'data') })).rejects.toThrow(
    /cannot be written to \(ENOTDIR\).*POOLMESH_DATA_DIR/,
  )
})

test('the server’s binary comes from its package, else from the search path, else it is asked for', async () => {
  const packaged = await findNatsServer()
  expect(await findNatsServer('@poolmesh/no-such-package', `/nonexistent:${dirname(packaged)}`)).toBe(
    packaged,
  )
  await expect(findNatsServer('@poolmesh/no-such-package', '/nonexistent')).rejects.toThrow(
    /no nats-server for \S+ here: put nats-server 2\.12 or newer on PATH, or set NATS_URL/,
  )
})

test('user and password in the address are used', async () => {
  const extraConfig = 'authorization { user: "me", password: "s#cret" }'
  await using server = await startNatsServer({ port: 0, dataDir, extraConfig })
  const withUser = server.url.replace('//', '//me:s%23cret@')
  const nc = await connectBus({ servers: withUser, name: 'test' })
  await nc.close()
  await expect(connectBus({ servers: server.url, name: 'test' })).rejects.toThrow(/refuses these credentials/)
})

/** Neither gone nor a zombie that waits for init. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
