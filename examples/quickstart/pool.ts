import { definePool } from '@poolmesh/worker'

const pool = definePool({
  name: 'shouters',
  capabilities: ['shout'],
  maxWorkers: 4,
  handler: (task) => ({ text: String(task.payload['text']).toUpperCase() }),
})
await pool.start()
