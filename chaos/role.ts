// A process of the chaos run that is no service: `node chaos/role.ts ROLE OPTIONS`. It ends with whoever started it.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { History } from './history/writer.ts'
import type { RoleOptions } from './system/population.ts'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled'))
process.once('disconnect', () => process.exit(1))
const [role = '', text = '{}'] = process.argv.slice(2)
const options = JSON.parse(text) as RoleOptions
const history = new History(options.history, options.base)

const ROLES: Record<string, () => Promise<(options: RoleOptions, history: History) => Promise<void>>> = {
  'worker-pool': async () => (await import('./roles/worker-pool.ts')).startWorkerPool,
  'plain-pool': async () => (await import('./roles/plain-pool.ts')).startPlainPool,
  'http-pool': async () => (await import('./roles/http-pool.ts')).startHttpPool,
  cluster: async () => (await import('./roles/cluster.ts')).startCluster,
  submitter: async () => (await import('./roles/submitter.ts')).startSubmitter,
  reader: async () => (await import('./roles/reader.ts')).startReader,
}
const start = await ROLES[role]?.()
if (!start) throw new Error(`there is no role ${role}`)
await start(options, history)
process.send?.('ready')
