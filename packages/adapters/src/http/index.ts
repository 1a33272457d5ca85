export { HttpAdapter } from './adapter.ts'
