export { startRegistry } from './registry.ts'
