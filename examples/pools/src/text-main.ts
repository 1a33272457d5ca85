// Runs the text pool alone: `node examples/pools/src/text-main.ts`, with NATS_URL for another server than the local one.
import { textPool } from './text-pool.ts'

const pool = await textPool.start()
await pool.closed
