// A process that pool_spawn starts in the tests. Its arguments are its capabilities; `{wait: file}` runs until that file is there.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { definePool } from '@poolmesh/worker'

const name = process.env['POOLMESH_POOL_NAME'] ?? 'nobody'
const pool = definePool({
  name,
  capabilities: process.argv.slice(2),
  maxWorkers: 2,
  async handler({ payload: { prompt, wait } }, { signal }) {
    while (prompt === 'hang' || (typeof wait === 'string' && !existsSync(wait)))
      await sleep(20, undefined, { signal })
    return { said: prompt, pid: process.pid }
  },
})
await pool.start()
