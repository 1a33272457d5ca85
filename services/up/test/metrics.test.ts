import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, loadSettings } from '@poolmesh/bus'
import { run, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { startEmbedded } from '../src/index.ts'

const look = async (url: string): Promise<string> => await (await fetch(url)).text()
const servicesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/service="([^"]+)"/g)].map(([, name]) => name!))

test('npm start has the metrics of all its services at one address, also of one that came back', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-metrics-'))
  try {
    await using it = run('main.ts', [], {
      POOLMESH_DATA_DIR: dataDir,
      POOLMESH_NATS_PORT: String(await freePort()),
      POOLMESH_HTTP_PORT: String(await freePort()),
      POOLMESH_METRICS_PORT: String(await freePort()),
      POOLMESH_DEMO: 'false',
    })
    await it.line(/^ready /)
    const url = (await it.line(/^metrics /)).slice('metrics '.length)
    const text = await look(url)
    const all = ['registry', 'executor', 'distributor', 'health-monitor', 'gateway']
    expect(servicesIn(text)).toEqual(new Set(all))
    expect(text).toMatch(/^poolmesh_executor_dispatching\{service="executor"\} 1$/m)
    expect(text.match(/^# HELP process_cpu_seconds_total /gm)).toHaveLength(1)
    const pidOf = (shown: string): number =>
      Number(/^poolmesh_process_id\{service="registry"\} (\d+)$/m.exec(shown)?.[1])
    const before = pidOf(text)
    process.kill(before, 'SIGKILL')
    await until(async () => {
      const now = pidOf(await look(url))
      return Number.isInteger(now) && now !== before
    }, 'the metrics of the registry that was started again')
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

test('a system in one process has one address, and its port is free afterwards', async () => {
  const port = await freePort()
  const settings = loadSettings({ POOLMESH_METRICS_PORT: String(port) }, '/nowhere.yaml')
  {
    await using _system = await startEmbedded({ settings })
    const text = await look(`http://127.0.0.1:${port}/metrics`)
    expect(servicesIn(text)).toEqual(new Set(['poolmesh']))
    for (const name of [
      'registry_pools_active',
      'executor_tasks',
      'health_checks_total',
      'distributor_pools',
    ])
      expect(text).toMatch(new RegExp(`^poolmesh_${name}\\{.*\\} \\d`, 'm'))
  }
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow()
})
