// A pool as users write it, with the worker package.
import { definePool } from '@poolmesh/worker'
import type { History } from '../history/writer.ts'
import type { PoolOptions, RoleOptions } from '../system/population.ts'
import { work } from './work.ts'

export async function startWorkerPool(options: RoleOptions, history: History): Promise<void> {
  // Handlers that fail on purpose would fill the log.
  process.env['POOLMESH_LOG_LEVEL'] = 'error'
  const { name, slots, capabilities } = options.pool as PoolOptions
  const definition = definePool({
    name,
    capabilities,
    maxWorkers: slots,
    heartbeatInterval: 1,
    handler: async (task, { signal, attempt }) => {
      if ((await work(history, name, task, attempt, signal)) === 'failed') throw new Error('made to fail')
      return { by: name }
    },
  })
  const pool = await definition.start()
  void pool.closed.then((error) => process.exit(error ? 1 : 0))
}
