export { HttpAdapter } from './adapter.ts'
export { type HeadersByUrl, headersFor } from './target.ts'
