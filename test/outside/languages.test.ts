// The pools and clients in other languages, examples/languages, as processes on a running system. They know the wire contract
// and none of the project's packages.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { startEmbedded } from '@poolmesh/up'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missing } from './debian.ts'
import { command, startProgram } from './project.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'examples', 'languages')
const TEXT = 'grüße'
/** Where Debian has the sources of Go's libraries: there is no need of a module proxy. */
const GO = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode' }

interface Language {
  name: string
  skipped: string | null
  output: Record<string, unknown>
  /** Makes what runs. @returns its command */
  build(folder: string): Promise<string[]>
}

async function compiled(file: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  const { code, stderr } = await command(file, args, { env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

const LANGUAGES: Language[] = [
  {
    name: 'python',
    skipped: missing('Python', ['python3', '--version'], ['python3']),
    output: { characters: 5, by: 'python' },
    build: async () => ['python3', join(FOLDER, 'poolmesh.py')],
  },
  {
    name: 'c',
    skipped: missing(
      'C',
      ['sh', '-c', 'echo "#include <nats/nats.h>\n#include <jansson.h>" | cc -E - -o /dev/null'],
      ['gcc', 'libc6-dev', 'libnats-dev', 'libjansson-dev'],
    ),
    output: { bytes: 7, by: 'c' },
    build: async (folder) => {
      const program = join(folder, 'poolmesh-c')
      const libraries = ['-lnats', '-ljansson']
      const source = join(FOLDER, 'poolmesh.c')
      await compiled('cc', ['-Wall', '-Wextra', '-Werror', '-o', program, source, ...libraries])
      return [program]
    },
  },
  {
    name: 'go',
    skipped: missing(
      'Go',
      ['sh', '-c', `go version && test -d ${GO.GOPATH}/src/github.com/nats-io/nats.go`],
      ['golang-go', 'golang-github-nats-io-go-nats-dev'],
    ),
    output: { characters: 5, by: 'go' },
    build: async (folder) => {
      const program = join(folder, 'poolmesh-go')
      const env = { ...GO, GOCACHE: join(folder, 'go-cache') }
      await compiled('go', ['build', '-o', program, join(FOLDER, 'poolmesh.go')], env)
      return [program]
    },
  },
]

const owned = new AsyncDisposableStack()
let poolmesh: DistributedPoolSystem
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-languages-'))
  owned.defer(() => rm(folder, { recursive: true, force: true }))
  const { url } = owned.use(await startEmbedded())
  poolmesh = owned.use(await createDistributedPoolSystem({ servers: url }))
})
afterAll(() => owned.disposeAsync())

describe.each(LANGUAGES)('$name', ({ name, skipped, output, build }) => {
  test.skipIf(skipped)('its pool and its client work together, and with others', async () => {
    const [file = '', ...args] = await build(folder)
    const env = { NATS_URL: poolmesh.url }
    const pool = startProgram(file, [...args, 'pool'], { env })
    try {
      await until(
        () => pool.printed().includes('is registered'),
        `the pool to be registered: ${pool.printed()}`,
      )
      const client = await command(file, [...args, 'submit', TEXT], { env })
      expect(client).toMatchObject({ code: 0, stderr: '' })
      const [, who, status, given = ''] = /^(\w+): (\w+), (.*)\n$/.exec(client.stdout) ?? []
      expect({ who, status, given: JSON.parse(given) }).toEqual({
        who: `${name}_pool`,
        status: 'completed',
        given: output,
      })
      const task = { task_type: 'count', required_capabilities: [name] }
      const { executor, registry } = poolmesh
      const counted = await executor.executeTask({ ...task, payload: { text: TEXT } })
      expect(counted).toMatchObject({ status: 'completed', pool_name: `${name}_pool`, output })
      const refused = await executor.executeTask({ ...task, payload: {} })
      expect(refused).toMatchObject({ status: 'failed', error: 'the payload has no text' })
      await pool[Symbol.asyncDispose]()
      const gone = async () => (await registry.getAllPools()).every((one) => one.name !== `${name}_pool`)
      await until(gone, 'the pool to be gone')
    } finally {
      pool.kill()
    }
  })
})

test('the part of the shell pool that runs a task answers as a pool does', async () => {
  const file = join(FOLDER, 'poolmesh.sh')
  expect(await command('bash', ['-n', file])).toMatchObject({ code: 0, stderr: '' })
  const jq = missing('the shell pool', ['jq', '--version'], ['jq'])
  if (jq) return expect(await readFile(file, 'utf8')).toContain('jq')
  const env = { NATS_REQUEST_BODY: JSON.stringify({ task_id: 'a', payload: { text: TEXT } }) }
  const { stdout } = await command('bash', [file, 'run'], { env })
  expect(JSON.parse(stdout)).toEqual({
    task_id: 'a',
    status: 'completed',
    output: { characters: 5, by: 'shell' },
  })
})
