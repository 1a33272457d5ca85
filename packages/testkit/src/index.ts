export * from './server.ts'
export * from './wait.ts'
