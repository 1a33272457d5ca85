export * from './apportion.ts'
export * from './rebalance.ts'
