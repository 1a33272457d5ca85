// `poolmesh config show`: settings of a real process, from its environment and a real file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonOf, start } from './system.ts'

const SECRETS = {
  POOLMESH_HTTP_TOKEN: 'hidden-http-token-0123',
  POOLMESH_NATS_TOKEN: 'hidden-nats-token',
  POOLMESH_ALERTS_URL: 'http://127.0.0.1:9/hidden-path',
  POOLMESH_ALERTS_AUTHORIZATION: 'Bearer hidden-bearer',
  POOLMESH_HTTP_HEADERS: '{"http://127.0.0.1:9":{"authorization":"hidden-header"}}',
}
let folder: string
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-config-'))
  const file = join(folder, 'settings.yaml')
  await writeFile(file, 'pools:\n  max_workers: 7\npoolmesh:\n  http_port: 8181\n  nats_port: 4300\n')
  env = {
    ...SECRETS,
    POOLMESH_SETTINGS: file,
    POOLMESH_NATS_PORT: '4301',
    NATS_URL: 'nats://me:hidden@secret@127.0.0.1:4222,you:hidden@127.0.0.1:4223',
    POOLMESH_DISCOVERY_ENDPOINTS: 'http://me:hidden@127.0.0.1:9/pools',
  }
})
afterAll(() => rm(folder, { recursive: true }))

test('it tells each value and where it comes from, and no secret in any format', async () => {
  const outcome = await start(['config', 'show', '--json'], { env }).ended
  const { settings } = jsonOf(outcome) as { settings: { name: string; value: unknown; source: string }[] }
  const shown = Object.fromEntries(settings.map(({ name, value, source }) => [name, [value, source]]))
  expect(shown).toMatchObject({
    POOLMESH_NATS_PORT: [4301, 'environment'],
    POOLMESH_HTTP_PORT: [8181, 'file'],
    MAHAVISHNU_POOLS__MAX_WORKERS: [7, 'file'],
    POOLMESH_REPLICAS: [1, 'default'],
    POOLMESH_SPAWN_FILE: [null, 'default'],
    NATS_URL: ['nats://********@127.0.0.1:4222,********@127.0.0.1:4223', 'environment'],
    POOLMESH_DISCOVERY_ENDPOINTS: [['http://********@127.0.0.1:9/pools'], 'environment'],
  })
  for (const name of Object.keys(SECRETS)) expect(shown[name], name).toEqual(['********', 'environment'])
  const others = await Promise.all(
    ['table', 'markdown'].map((format) => start(['config', 'show', '--format', format], { env }).ended),
  )
  for (const { code, stdout, stderr } of [outcome, ...others]) {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).not.toMatch(/hidden|secret/)
  }
  expect(others[0]?.stdout).toMatch(/^ {2}POOLMESH_HTTP_PORT +8181 +file$/m)
  expect(others[1]?.stdout).toMatch(/^\| POOLMESH\S+HTTP\S+PORT +\| +8181 +\| file +\|$/m)
})

test('a secret that is not set is told as none; a wrong setting is told of instead of the list', async () => {
  const plain = await start(['config', 'show']).ended
  expect(plain.stdout).toMatch(/^ {2}POOLMESH_NATS_TOKEN +- +default$/m)
  expect(plain.stdout).toMatch(/^ {2}POOLMESH_HTTP_HEADERS +- +default$/m)
  const wrong = await start(['config', 'show'], { env: { POOLMESH_HTTP_PROT: '1', POOLMESH_REPLICAS: '2' } })
    .ended
  expect(wrong).toMatchObject({ code: 2, stdout: '' })
  expect(wrong.stderr).toMatch(/POOLMESH_HTTP_PROT: is not a setting\n.*POOLMESH_REPLICAS: is wrong: must be/)
})
