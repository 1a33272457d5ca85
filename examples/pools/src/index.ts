export { dataPool, defineDataPool } from './data-pool.ts'
export type { ExamplePoolOptions } from './example-pool.ts'
export { defineTextPool, textPool } from './text-pool.ts'
