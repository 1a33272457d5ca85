import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'services/*/test/**/*.test.ts',
      'examples/*/test/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    // They have configurations of their own: they need a Docker engine, and the package registry.
    exclude: [...configDefaults.exclude, 'test/containers/**', 'test/outside/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two files at a time: each has a nats-server of its own.
    maxWorkers: 2,
    pool: 'forks',
  },
})
