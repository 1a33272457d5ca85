// `npm start` runs memory where results are collected, and only there.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { run } from '@poolmesh/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-memory-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

test.each(['true', 'false'])('memory_aggregation_enabled is %s', async (enabled) => {
  const port = String(await freePort())
  await using started = run('main.ts', [], {
    POOLMESH_DATA_DIR: dataDir,
    POOLMESH_NATS_PORT: port,
    POOLMESH_HTTP_PORT: String(await freePort()),
    POOLMESH_DEMO: '0',
    MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: enabled,
    MAHAVISHNU_POOLS__SESSION_BUDDY_URL: 'http://127.0.0.1:9/mcp',
    MAHAVISHNU_POOLS__AKOSHA_URL: 'http://127.0.0.1:9/mcp',
  })
  await started.line(/^ready /)
  await using system = await createDistributedPoolSystem({ servers: `nats://127.0.0.1:${port}` })
  const searched = system.searchMemory('anything')
  if (enabled === 'true')
    expect(await searched).toMatchObject({
      hits: [],
      failed: [{ source: 'session_buddy' }, { source: 'akosha' }],
    })
  else
    await expect(searched).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('npm run service -- memory'),
    })
})
