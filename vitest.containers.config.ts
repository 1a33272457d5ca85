// `npm run test:containers`: what needs a Docker engine.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/containers/**/*.test.ts'],
    globalSetup: 'test/containers/setup.ts',
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // One file at a time: each runs a whole system.
    maxWorkers: 1,
    pool: 'forks',
  },
})
