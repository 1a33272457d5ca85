// Runs the data pool alone: `node examples/pools/src/data-main.ts`, with NATS_URL for another server than the local one.
import { dataPool } from './data-pool.ts'

const pool = await dataPool.start()
await pool.closed
