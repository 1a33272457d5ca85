import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { run, startTestServer } from '@poolmesh/testkit'
import { expect, test } from 'vitest'

/** What it says of durability, and what it warns of. */
async function said(changes: Record<string, string>): Promise<{ line: string; warnings: string[] }> {
  const POOLMESH_DATA_DIR = await mkdtemp(join(tmpdir(), 'poolmesh-up-'))
  {
    await using it = run('main.ts', [], {
      POOLMESH_DATA_DIR,
      POOLMESH_NATS_PORT: String(await freePort()),
      POOLMESH_HTTP_PORT: String(await freePort()),
      POOLMESH_DEMO: '0',
      POOLMESH_LOG_LEVEL: 'warn',
      ...changes,
    })
    await it.line(/^ready /)
    const line = await it.line(/^durability: /)
    it.child.kill('SIGTERM')
    await it.ended
    const warnings = it.stderr().match(/^poolmesh: .*/gm) ?? []
    await rm(POOLMESH_DATA_DIR, { recursive: true, force: true })
    return { line, warnings }
  }
}

test('the start says what a power cut may lose, and what losing less takes', async () => {
  const usual = await said({})
  expect(usual.line).toMatch(/power cut may lose the last 1s.*POOLMESH_SYNC=always.*docs\/durability\.md/)
  expect(usual.warnings).toEqual([])
  const always = await said({ POOLMESH_SYNC: 'always' })
  expect(always.line).toMatch(/before it is acknowledged.*POOLMESH_SYNC=1s/)
})

test('POOLMESH_SYNC has no effect on a server of one’s own, which is said', async () => {
  await using server = await startTestServer()
  const { line, warnings } = await said({ NATS_URL: server.url, POOLMESH_SYNC: 'always' })
  expect(warnings).toEqual([
    'poolmesh: POOLMESH_SYNC is for the embedded server only, and NATS_URL names another: set sync_interval there',
  ])
  expect(line).toMatch(/one copy.*sync_interval.*POOLMESH_REPLICAS=3/)
})
