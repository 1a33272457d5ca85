export type { Explanation } from './explain.ts'
export type { Cancellation, PoolState } from './pool-state.ts'
export { PoolTable, type PoolTableOptions } from './pool-table.ts'
export { type Preferences, type Requirements, requirementsKey } from './requirements.ts'
