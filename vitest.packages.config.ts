// `npm run test:packages`: builds what is published, and installs it from its tarballs, which needs the package registry.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/packages/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    pool: 'forks',
  },
})
