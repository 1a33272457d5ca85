export { KubernetesAdapter } from './adapter.ts'
