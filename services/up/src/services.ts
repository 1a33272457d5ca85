// The services by name. Each is imported only where it runs, so that a process carries no more than its own.
import type { Settings, StartService } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'

const LOADERS = {
  registry: async () => (await import('@poolmesh/registry')).startRegistry,
  executor: async () => (await import('@poolmesh/executor')).startExecutor,
  distributor: async () => (await import('@poolmesh/distributor')).startDistributor,
  'health-monitor': async () => (await import('@poolmesh/health-monitor')).startHealthMonitor,
  gateway: async () => (await import('@poolmesh/gateway')).startGateway,
  memory: async () => (await import('@poolmesh/memory')).startMemory,
} as const satisfies Record<string, () => Promise<StartService>>

export type ServiceName = keyof typeof LOADERS
export const SERVICE_NAMES = Object.keys(LOADERS) as ServiceName[]
/** What runs with these settings. */
export const servicesOf = (settings: Settings): ServiceName[] =>
  SERVICE_NAMES.filter((name) => name !== 'memory' || settings.pools.memory_aggregation_enabled)
/** What tasks need; the gateway only shows it. */
export const CORE_SERVICES: readonly ServiceName[] = ['registry', 'executor', 'distributor', 'health-monitor']

export const coreServicesOf = (settings: Settings): ServiceName[] =>
  servicesOf(settings).filter((name) => name === 'memory' || CORE_SERVICES.includes(name))

export const loadService = (name: ServiceName): Promise<StartService> => LOADERS[name]()

/** @throws PoolmeshError INVALID_INPUT that lists the names */
export function readServiceName(text: string | undefined): ServiceName {
  if (text !== undefined && Object.hasOwn(LOADERS, text)) return text as ServiceName
  const given = text === undefined ? 'name a service' : `there is no service ${JSON.stringify(text)}`
  throw new PoolmeshError('INVALID_INPUT', `${given}: npm run service -- ${SERVICE_NAMES.join('|')}`)
}
