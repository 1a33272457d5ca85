import { definePool, serveHttp } from '@poolmesh/worker'

const pool = definePool({
  name: 'whisperers',
  capabilities: ['whisper'],
  maxWorkers: 4,
  handler: (task) => ({ text: String(task.payload['text']).toLowerCase() }),
})
const { endpoint } = await serveHttp(pool, { port: Number(process.env['PORT'] ?? 8090) })
console.log(`the pool is at ${endpoint}`)
