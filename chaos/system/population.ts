// Who takes part, and how each is started.
import { join } from 'node:path'
import type { Role } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import type { ChaosOptions } from '../options.ts'
import { HTTP_POOL, JOB_POOL } from './adapted.ts'
import { environment } from './environment.ts'
import { type Helper, Managed } from './managed.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SERVICES = [
  ['registry', 1],
  ['executor', 3],
  ['distributor', 2],
  ['health-monitor', 2],
] as const satisfies [Role, number][]

export interface PoolOptions {
  name: string
  slots: number
  capabilities: string[]
  /** Of a plain subscriber: it tells its load and answers checks, or does neither. */
  talks: boolean
}
const worker = (n: number, slots: number): PoolOptions => ({
  name: `worker${n}`,
  slots,
  capabilities: ['any', 'worker'],
  talks: true,
})
const plain = (n: number, slots: number, talks: boolean): PoolOptions => ({
  name: `plain${n}`,
  slots,
  capabilities: ['any', 'plain'],
  talks,
})
const WORKER_POOLS = [worker(1, 15), worker(2, 20), worker(3, 20), worker(4, 25)]
const PLAIN_POOLS = [plain(1, 15, true), plain(2, 15, false)]
const POOLS = [...WORKER_POOLS, ...PLAIN_POOLS]
export const poolsOf = (adapters: boolean): PoolOptions[] =>
  adapters ? [...POOLS, HTTP_POOL, JOB_POOL] : POOLS
const SUBMITTERS = 2

/** What a process of chaos/role.ts is told. */
export interface RoleOptions {
  name: string
  history: string
  base: number
  seed: number
  inFlight: number
  adapters: boolean
  pool?: PoolOptions
  /** Of a pool behind HTTP. */
  port?: number
  /** Of the cluster: where to write it. */
  kubeconfig?: string
}

export interface PopulationParts {
  options: ChaosOptions
  urls: string[]
  folder: string
  historyFile: string
  base: number
  history: History
  httpPort: number
  kubeconfig: string
  onMessage(name: string, message: unknown): void
}

export function makePopulation(parts: PopulationParts): Managed[] {
  const { options, folder, history, historyFile, base } = parts
  const env = {
    ...environment(parts.urls.join(','), options.cluster ? 3 : 1),
    ...(options.adapters ? { POOLMESH_KUBECONFIG: parts.kubeconfig } : {}),
  }
  const make = (role: Role | Helper, name: string, args: string[]): Managed =>
    new Managed({
      role,
      name,
      args,
      env,
      history,
      logFile: join(folder, `${name}.log`),
      onMessage: (message) => parts.onMessage(name, message),
    })
  const services = SERVICES.flatMap(([role, count]) =>
    Array.from({ length: count }, (_, i) => {
      const broken = role === 'executor' && options.variant !== null
      const patch = broken ? ['--import', join(ROOT, 'chaos', 'variants', `${options.variant}.ts`)] : []
      const script = join(ROOT, 'services', 'up', 'src', 'service.ts')
      return make(role, `${role}${i + 1}`, [...patch, script, role])
    }),
  )
  const inRole = (role: Role | Helper, name: string, more: Partial<RoleOptions> = {}): Managed => {
    const told: RoleOptions = {
      name,
      history: historyFile,
      base,
      seed: options.seed,
      inFlight: Math.ceil(options.inFlight / SUBMITTERS),
      adapters: options.adapters,
      ...more,
    }
    return make(role, name, [join(ROOT, 'chaos', 'role.ts'), role, JSON.stringify(told)])
  }
  const adapted = options.adapters
    ? [
        inRole('http-pool', HTTP_POOL.name, { pool: HTTP_POOL, port: parts.httpPort }),
        inRole('cluster', 'cluster', { kubeconfig: parts.kubeconfig }),
      ]
    : []
  return [
    ...services,
    ...adapted,
    ...WORKER_POOLS.map((pool) => inRole('worker-pool', pool.name, { pool })),
    ...PLAIN_POOLS.map((pool) => inRole('plain-pool', pool.name, { pool })),
    ...Array.from({ length: SUBMITTERS }, (_, i) => inRole('submitter', `submitter${i + 1}`)),
    inRole('reader', 'reader'),
  ]
}
