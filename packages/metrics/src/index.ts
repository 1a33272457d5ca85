export { NAMED_POOLS, namedPools } from './named-pools.ts'
export type { Metrics, MetricsReport } from './registry.ts'
export { SERIES, type Series, type Teller } from './series.ts'
export { type MetricsServer, serveMetrics } from './server.ts'
export { MetricSources } from './sources.ts'

/** The library is loaded where somebody looks at metrics, and only there. */
export const loadRegistry = (): Promise<typeof import('./registry.ts')> => import('./registry.ts')
