export { KubernetesAdapter } from './adapter.ts'
export { KubernetesHealth } from './health.ts'
