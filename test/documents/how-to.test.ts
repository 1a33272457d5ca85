// The TypeScript of the how-tos and of "coming from" runs, each block as a program, on a system that has a pool for all of it. What
// the operations page names is what the code says.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dataPool, textPool } from '@poolmesh/example-pools'
import { ERRORS } from '@poolmesh/types'
import { type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { codeBlocks, DOCUMENTS, ROOT, read } from './markdown.ts'

const programs = DOCUMENTS.filter((name) => /^docs\/(how-to\/|coming-from)/.test(name)).flatMap((name) =>
  codeBlocks(read(name))
    .filter(({ language, marks }) => language === 'ts' && !marks['runs'])
    .map(({ code, line }) => ({ where: `${name}:${line}`, code })),
)
const owned = new AsyncDisposableStack()
let system: EmbeddedSystem
let folder: string

/** What the programs ask for that no example pool has. */
const scenery = definePool({
  name: 'scenery',
  capabilities: ['render', 'gpu', 'python'],
  maxWorkers: 10,
  handler: () => ({ done: true }),
})

beforeAll(async () => {
  await mkdir(join(ROOT, '.poolmesh'), { recursive: true })
  folder = await mkdtemp(join(ROOT, '.poolmesh', 'how-to-'))
  owned.defer(() => rm(folder, { recursive: true, force: true }))
  system = owned.use(await startEmbedded())
  for (const pool of [textPool, dataPool, scenery]) owned.use(await pool.start({ nc: system.nc }))
})
afterAll(() => owned.disposeAsync())

test('there are programs to run', () => {
  expect(programs.length).toBeGreaterThan(8)
})

test.each(programs)('$where ends well', async ({ code }) => {
  const file = join(folder, `program-${Math.random().toString(36).slice(2)}.ts`)
  await writeFile(file, code)
  const env = { ...process.env, NATS_URL: system.url, POOLMESH_LOG_LEVEL: 'warn' }
  const child = spawn(process.execPath, [file], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  // One that hangs is not left behind.
  onTestFinished(() => void child.kill('SIGKILL'))
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
  const ended = await new Promise<number | null>((resolve) => child.once('close', resolve))
  expect(ended, printed).toBe(0)
  // A server that is not there would hold up what the next program runs on all pools.
  await system.nc.request('pool.deregister', JSON.stringify({ name: 'render-farm' }), { timeout: 10_000 })
})

test('docs/operations.md names reasons that there are', () => {
  const text = read('docs/operations.md')
  const rows = (heading: string): string[][] => {
    const section = text.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? ''
    return section
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
      .slice(1)
      .map((line) => line.split('|').map((cell) => cell.trim()))
  }
  const explain = read('packages/core/src/routing/explain.ts')
  const said = rows('Tasks wait')
    .map(([, reason = '']) => reason)
    .filter((reason) => reason !== 'anything else')
  expect(said.length).toBeGreaterThan(4)
  expect(said.filter((reason) => !explain.includes(`'${reason}'`))).toEqual([])

  const breaker = read('packages/core/src/health/breaker.ts')
  const reasons = rows('A pool is unhealthy').flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word),
  )
  expect(reasons.length).toBeGreaterThan(3)
  expect(reasons.filter((reason) => !breaker.includes(`'${reason}'`))).toEqual([])

  const codes = [...text.matchAll(/`([A-Z]+_?[A-Z]+)`/g)].map(([, code = '']) => code)
  const known = new Set<string>([...Object.keys(ERRORS), 'TASKS', 'RESULTS'])
  expect(
    codes.filter((code) => !known.has(code) && !code.startsWith('POOLMESH') && code !== 'NATS_URL'),
  ).toEqual([])
})
