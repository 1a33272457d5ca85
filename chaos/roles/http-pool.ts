// A pool of the worker package behind HTTP: it has no connection to NATS, and is at the same address when it comes again.
import { definePool, serveHttp } from '@poolmesh/worker'
import type { History } from '../history/writer.ts'
import type { PoolOptions, RoleOptions } from '../system/population.ts'
import { work } from './work.ts'

export async function startHttpPool(options: RoleOptions, history: History): Promise<void> {
  process.env['POOLMESH_LOG_LEVEL'] = 'error'
  const { name, slots, capabilities } = options.pool as PoolOptions
  const definition = definePool({
    name,
    capabilities,
    maxWorkers: slots,
    handler: async (task, { signal, attempt }) => {
      if ((await work(history, name, task, attempt, signal)) === 'failed') throw new Error('made to fail')
      return { by: name }
    },
  })
  const pool = await serveHttp(definition, { port: options.port ?? 0 })
  void pool.closed.then(() => process.exit(0))
}
