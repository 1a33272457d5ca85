export { HttpAdapter } from './adapter.ts'
export { HttpClient } from './exchange.ts'
export { type HeadersByUrl, targetOf } from './target.ts'
