// A pool that never finishes: fault-tolerance.ts kills it.
import { definePool } from '@poolmesh/worker'

await definePool({
  name: 'doomed',
  capabilities: ['survive'],
  maxWorkers: 1,
  handler: () => new Promise(() => {}),
}).start()
