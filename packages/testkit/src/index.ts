export * from './processes.ts'
export * from './server.ts'
export * from './wait.ts'
