// A gateway of its own process that started workers: none of them outlives it, however it ends.
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { freePort } from '@poolmesh/bus'
import { processesWith, type RunningProcess, run, until } from '@poolmesh/testkit'
import { type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { afterAll, beforeAll, expect, test } from 'vitest'

const WORKER = join(import.meta.dirname, '../../../packages/mcp/test/worker.ts')
let system: EmbeddedSystem
let folder: string
beforeAll(async () => {
  system = await startEmbedded()
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-spawn-'))
  const types = { echo: { command: process.execPath, args: [WORKER] } }
  await writeFile(join(folder, 'types.json'), JSON.stringify(types))
}, 60_000)
afterAll(async () => {
  await system?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** A gateway with two workers of the pool `name` that have registered. */
async function withWorkers(name: string): Promise<RunningProcess> {
  const port = String(await freePort())
  const gateway = run('service.ts', ['gateway'], {
    NATS_URL: system.url,
    POOLMESH_HTTP_PORT: port,
    POOLMESH_SPAWN_FILE: join(folder, 'types.json'),
  })
  await gateway.line(/listening/)
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)) as never)
  const call = (tool: string, args: object) =>
    client.callTool({ name: tool, arguments: { ...args } }, undefined, { timeout: 60_000 })
  await call('pool_spawn', { pool_type: 'echo', name, min_workers: 2, max_workers: 2 })
  await until(
    async () => !(await call('pool_execute', { pool_id: `${name}-2`, prompt: 'up' })).isError,
    'the second worker',
    30_000,
  )
  expect(processesWith(`POOLMESH_POOL_NAME=${name}-`)).toHaveLength(2)
  return gateway
}

test('a gateway that is stopped, or killed, leaves no worker behind, and the next may use the name again', {
  timeout: 120_000,
}, async () => {
  const name = `left${randomUUID().slice(0, 8)}`
  const left = (): number[] => processesWith(`POOLMESH_POOL_NAME=${name}-`)
  await using killed = await withWorkers(name)
  killed.child.kill('SIGKILL')
  await killed.ended
  await until(() => left().length === 0, 'workers end after a gateway that was killed', 30_000)
  await using stopped = await withWorkers(name)
  stopped.child.kill('SIGTERM')
  expect((await stopped.ended).code).toBe(0)
  expect(left()).toEqual([])
})
