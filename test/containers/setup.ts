// Looks once, before all tests, for what they need, and says in one line what is not there. Tests that need it are skipped.
import { getContainerRuntimeClient } from 'testcontainers'
import type { TestProject } from 'vitest/node'
import { findCompose, missingImages } from './compose.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why tests that need a Docker engine are skipped; null: they are not. */
    noEngine: string | null
    /** Why those of the compose files are. */
    noCompose: string | null
  }
}

export default async function setup({ provide }: TestProject): Promise<void> {
  const noEngine = await engineMissing()
  const noCompose = noEngine ?? (await composeMissing())
  if (noEngine) process.stdout.write(`poolmesh: ${noEngine}: all tests with containers are skipped\n`)
  else if (noCompose)
    process.stdout.write(`poolmesh: ${noCompose}: the tests of the compose files are skipped\n`)
  provide('noEngine', noEngine)
  provide('noCompose', noCompose)
}

async function engineMissing(): Promise<string | null> {
  try {
    await getContainerRuntimeClient()
    return null
  } catch (error) {
    return `no Docker engine answers (${(error as Error).message.split('\n')[0]})`
  }
}

async function composeMissing(): Promise<string | null> {
  if ((await findCompose()) === null) return 'neither `docker compose` nor `docker-compose` is there'
  const missing = await missingImages()
  return missing.length > 0 ? `no image ${missing.join(', ')} (\`npm run images\` builds them)` : null
}
