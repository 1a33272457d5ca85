// `npm run test:outside`: what is outside of this repository. The published packages, installed from their tarballs, which needs
// the package registry; and pools and clients in other languages, which need their compilers.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/outside/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    pool: 'forks',
  },
})
