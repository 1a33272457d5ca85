// What is published works for a stranger: built, packed, installed into an empty project, and run there by the oldest Node
// that the packages name. The code that is run is that of the packages' own READMEs.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { startEmbedded } from '@poolmesh/up'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeOf, command, Project, startProgram } from './project.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const DIST = join(ROOT, 'dist')
const TOOLS = join(ROOT, 'packages', 'publish', 'node_modules', '.bin')
const FOLDERS = {
  types: 'packages/types',
  client: 'packages/client',
  worker: 'packages/worker',
  cli: 'packages/cli',
  up: 'services/up',
} as const
type Name = keyof typeof FOLDERS
const NAMES = Object.keys(FOLDERS) as Name[]
const tarball = (name: Name): string => {
  const found = readdirSync(DIST).find((file) => new RegExp(`^poolmesh-${name}-.*\\.tgz$`).test(file))
  if (!found) throw new Error(`npm run build made no tarball of ${name}`)
  return join(DIST, found)
}
const readme = (name: Name): string => join(ROOT, FOLDERS[name], 'README.md')

/** Of the packages' `engines`: the oldest that they promise to work with. */
const OLDEST_NODE = '20.11.1'

const parts = new AsyncDisposableStack()
let project: Project
let oldest: string
let servers: string
/** Why nothing can be installed; null: it can. */
let offline: string | null = null
/** Without a registry, and without what npm has kept of it, an installation says nothing about the packages. */
const NO_REGISTRY = /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ENETUNREACH|ENOTCACHED/

beforeAll(async () => {
  const built = await command(process.execPath, [join(ROOT, 'packages/publish/src/main.ts')], { cwd: ROOT })
  expect(built).toMatchObject({ code: 0, stderr: '' })
  project = parts.use(await Project.create())
  const node = `node-${process.platform}-${process.arch}@${OLDEST_NODE}`
  await project
    .install([...(['types', 'client', 'worker', 'cli'] as const).map(tarball), node])
    .catch((error: Error) => {
      if (!NO_REGISTRY.test(error.message)) throw error
      offline = 'the package registry cannot be reached: nothing is installed'
      process.stdout.write(`poolmesh: ${offline}\n`)
    })
  oldest = join(project.folder, 'node_modules', node.replace(/@.*/, ''), 'bin', 'node')
  servers = parts.use(await startEmbedded()).url
})
afterAll(() => parts.disposeAsync())

describe.each(NAMES)('the tarball of %s', (name) => {
  const stage = join(DIST, name)
  const manifest = (): Record<string, unknown> =>
    JSON.parse(readFileSync(join(stage, 'package.json'), 'utf8')) as Record<string, unknown>

  test('has nothing that publint objects to', async () => {
    const said = await command(process.execPath, [
      join(TOOLS, '../publint/src/cli.js'),
      '--strict',
      tarball(name),
    ])
    expect(said.stdout + said.stderr).toContain('All good!')
    expect(said.code).toBe(0)
  })

  test('has types that resolve wherever modules do; a command has none', async () => {
    if (name === 'cli') return expect(manifest()['exports']).toEqual({ './package.json': './package.json' })
    const attw = join(TOOLS, '../@arethetypeswrong/cli/dist/index.js')
    const said = await command(process.execPath, [
      attw,
      '--profile',
      'esm-only',
      '--format',
      'json',
      tarball(name),
    ])
    expect(said.code, said.stdout + said.stderr).toBe(0)
    expect(JSON.parse(said.stdout)).toMatchObject({ analysis: { types: { kind: 'included' } } })
  })

  test('has a map for each module, with the sources in it', () => {
    const files = readdirSync(join(stage, 'dist'))
    // Some only pass on what is in another.
    const modules = files.filter(
      (file) =>
        file.endsWith('.js') && /sourceMappingURL/.test(readFileSync(join(stage, 'dist', file), 'utf8')),
    )
    expect(modules.length).toBeGreaterThan(0)
    for (const file of modules) {
      const map = JSON.parse(readFileSync(join(stage, 'dist', `${file}.map`), 'utf8')) as Record<
        string,
        string[]
      >
      expect(map['sourcesContent']).toHaveLength(map['sources']?.length ?? 0)
    }
  })

  test('depends on nothing of the workspace that is not published', () => {
    const { dependencies, private: unpublished } = manifest()
    expect(unpublished).toBeUndefined()
    for (const [dependency, range] of Object.entries(dependencies as Record<string, string>)) {
      expect(range).toMatch(/^\^?\d/)
      if (dependency.startsWith('@poolmesh/')) expect(NAMES).toContain(dependency.slice('@poolmesh/'.length))
    }
  })
})

test('a pool and a client of the READMEs work together under the oldest Node', async ({ skip }) => {
  skip(offline !== null, offline ?? '')
  await project.write('pool.js', await codeOf(readme('worker'), 'js'))
  await project.write('client.js', await codeOf(readme('client'), 'js'))
  await using pool = startProgram(oldest, ['pool.js'], { cwd: project.folder, env: { NATS_URL: servers } })
  await until(() => pool.printed().includes('registered'), 'the pool to be registered')
  const client = await command(oldest, ['client.js'], { cwd: project.folder, env: { NATS_URL: servers } })
  expect(client).toEqual({ code: 0, stdout: 'shouters: completed, HELLO, POOLS\n', stderr: '' })

  const bin = join(project.folder, 'node_modules', '.bin', 'poolmesh')
  const env = { NATS_URL: servers, PATH: `${dirname(oldest)}:${process.env['PATH']}` }
  const submit = ['submit', 'shout', '-c', 'shout', '--payload', '{"text":"hello"}', '--json']
  const submitted = await command(bin, submit, { cwd: project.folder, env })
  expect(submitted.stderr).toBe('')
  expect(JSON.parse(submitted.stdout)).toMatchObject({ status: 'completed', output: { text: 'HELLO' } })
  const listed = await command(bin, ['pools', 'list'], { cwd: project.folder, env })
  expect(listed.stdout).toContain('shouters')
})

test('the code of the README of types runs', async ({ skip }) => {
  skip(offline !== null, offline ?? '')
  await project.write('types.js', await codeOf(readme('types'), 'js'))
  const { stdout } = await command(oldest, ['types.js'], { cwd: project.folder })
  expect(stdout.split('\n').slice(0, 3)).toEqual([
    'least_loaded round_robin capability_based region_aware affinity',
    'pending running completed failed timeout cancelled',
    'NOT_FOUND',
  ])
})

test('without a server and without @poolmesh/up, the client says what to do', async ({ skip }) => {
  skip(offline !== null, offline ?? '')
  const code = `import { createDistributedPoolSystem } from '@poolmesh/client'
    await createDistributedPoolSystem({ embedded: 'always' }).catch((error) => console.log(error.code, error.message))`
  const { stdout } = await command(oldest, ['--input-type=module', '-e', code], { cwd: project.folder })
  expect(stdout).toMatch(/^UNAVAILABLE .*@poolmesh\/up.*install it/)
})

test('a program that uses the types is checked strictly, with those of the packages', async ({ skip }) => {
  skip(offline !== null, offline ?? '')
  await project.write(
    'program.ts',
    `import { createDistributedPoolSystem, type DistributedTaskResult, RoutingStrategy } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'
import { TaskStatus } from '@poolmesh/types'
export const pool = definePool({ name: 'p', maxWorkers: 1, handler: (task, { signal }) => ({ id: task.task_id, late: signal.aborted }) })
const poolmesh = await createDistributedPoolSystem()
const result: DistributedTaskResult = await poolmesh.executor.executeTask({ task_type: 't', payload: {} }, RoutingStrategy.AFFINITY)
export const done: boolean = result.status === TaskStatus.COMPLETED
// @ts-expect-error a task has a type
poolmesh.executor.submit({ payload: {} })
`,
  )
  const options = [
    '--strict',
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--lib',
    'es2024,esnext',
  ]
  const typeRoots = join(ROOT, 'node_modules', '@types')
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  const checked = await command(
    tsc,
    [...options, '--types', 'node', '--typeRoots', typeRoots, 'program.ts'],
    {
      cwd: project.folder,
    },
  )
  expect(checked).toMatchObject({ code: 0, stdout: '' })
})

test('with @poolmesh/up, the client starts a system in its own process', async ({ skip }) => {
  skip(offline !== null, offline ?? '')
  await using other = await Project.create()
  await other.install((['types', 'client', 'worker', 'up'] as const).map(tarball))
  await other.write('up.js', await codeOf(readme('up'), 'js'))
  const alone = await command(process.execPath, ['up.js'], { cwd: other.folder })
  expect(alone).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^poolmesh is at nats:/) })
  const port = String(await freePort())
  const env = { POOLMESH_NATS_PORT: port, POOLMESH_LOG_LEVEL: 'warn' }
  const bin = join(other.folder, 'node_modules', '.bin', 'poolmesh-up')
  {
    await using up = startProgram(process.execPath, [bin], { cwd: other.folder, env })
    await until(() => /^ready nats:/m.test(up.printed()), 'poolmesh-up to be ready')
    expect(up.printed()).toContain(`ready nats://127.0.0.1:${port} `)
    const stats = `import { createDistributedPoolSystem } from '@poolmesh/client'
      await using poolmesh = await createDistributedPoolSystem()
      console.log((await poolmesh.registry.getRegistryStats()).total_pools, poolmesh.embedded)`
    const client = await command(process.execPath, ['--input-type=module', '-e', stats], {
      cwd: other.folder,
      env: { NATS_URL: `nats://127.0.0.1:${port}` },
    })
    expect(client).toEqual({ code: 0, stdout: '0 false\n', stderr: '' })
  }
  const wrong = await command(process.execPath, [bin], {
    cwd: other.folder,
    env: { NATS_URL: 'nats://127.0.0.1:1' },
  })
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/^poolmesh: NATS_URL is set/) })
  await other.write(
    'both.js',
    `import { createDistributedPoolSystem } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'
await using poolmesh = await createDistributedPoolSystem({ embedded: 'always' })
const pool = await definePool({ name: 'adders', maxWorkers: 2, handler: ({ payload }) => ({ sum: payload.a + payload.b }) })
  .start({ servers: poolmesh.url })
const { status, output } = await poolmesh.executor.submit({ task_type: 'add', payload: { a: 2, b: 3 } }).result()
console.log(status, output.sum)
await pool.stop()
`,
  )
  const both = await command(process.execPath, ['both.js'], { cwd: other.folder })
  expect(both.code, both.stderr).toBe(0)
  expect(both.stdout).toContain('completed 5\n')
})
