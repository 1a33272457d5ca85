// A process that pool_spawn starts in the tests.
import { definePool } from '@poolmesh/worker'

const name = process.env['POOLMESH_POOL_NAME'] ?? 'nobody'
const pool = definePool({
  name,
  maxWorkers: 2,
  handler: ({ payload }, { signal }) =>
    payload['prompt'] === 'hang'
      ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
      : { said: payload['prompt'], pid: process.pid },
})
await pool.start()
