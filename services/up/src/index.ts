export { type EmbeddedOptions, type EmbeddedSystem, startEmbedded } from './embedded.ts'
export { CORE_SERVICES, SERVICE_NAMES, type ServiceName } from './services.ts'
