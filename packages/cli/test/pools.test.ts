import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { derivedPoolSchema, discoverReplySchema, poolListReplySchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandsFor, jsonOf, type Outcome, startSystem } from './system.ts'

/** More than fit on one page of the registry. */
const MANY = 1_100

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
beforeAll(async () => {
  // No pool of this file is there, and what is shown is what they registered with.
  for (const name of ['POOLMESH_DEGRADED_AFTER', 'POOLMESH_UNAVAILABLE_AFTER']) vi.stubEnv(name, '1000')
  system = await startSystem()
  run = commandsFor(system.url)
})
afterAll(() => system?.[Symbol.asyncDispose]())

const namesIn = (outcome: Outcome): string[] =>
  poolListReplySchema.parse(jsonOf(outcome)).pools.map(({ name }) => name)

test('no pools are no failure', async () => {
  expect(await run(['pools', 'list'])).toEqual({
    code: 0,
    stdout: '',
    stderr: 'poolmesh: no pool is registered\n',
  })
  expect(jsonOf(await run(['pools', 'list', '--json']))).toEqual({ pools: [], cursor: null })
})

test('list and get show pools as a table and in full', async () => {
  await system.registry.registerPool({
    name: 'gpu-eu',
    pool_type: 'kubernetes',
    endpoint: 'https://127.0.0.1:6443',
    capabilities: ['gpu', '文字'],
    max_workers: 10,
    current_workers: 3,
    region: 'eu',
    metadata: { team: 'a' },
  })
  await system.registry.registerPool({
    name: 'cpu-us',
    pool_type: 'nats',
    region: 'us',
    health_status: 'unavailable',
  })
  const list = await run(['pools', 'list'])
  expect(list).toMatchObject({ code: 0, stderr: '' })
  expect(list.stdout.split('\n')).toEqual([
    '  pool    type        health               busy  queue  region  capabilities',
    '  cpu-us  nats        unavailable   0.0% (0/10)      0  us      -',
    '  gpu-eu  kubernetes  healthy      30.0% (3/10)      0  eu      gpu 文字',
    '',
  ])
  const get = await run(['pools', 'get', 'gpu-eu'])
  expect(get).toMatchObject({ code: 0, stderr: '' })
  expect(get.stdout.split('\n')).toEqual([
    'pool          gpu-eu',
    'type          kubernetes',
    'endpoint      https://127.0.0.1:6443',
    'health        healthy',
    'takes work    yes',
    'busy          30.0% (3/10)',
    'queue         0',
    'region        eu',
    'capabilities  gpu 文字',
    'metadata      {"team":"a"}',
    '',
  ])
  const asJson = derivedPoolSchema.parse(jsonOf(await run(['pools', 'get', 'gpu-eu', '--json'])))
  expect(asJson).toEqual(await system.registry.getPoolStatus('gpu-eu'))
})

test('a list is narrowed by capability, region, type and health', async () => {
  const list = (...filter: string[]) => run(['pools', 'list', '--json', ...filter])
  expect(namesIn(await list())).toEqual(['cpu-us', 'gpu-eu'])
  expect(namesIn(await list('--capability', 'gpu'))).toEqual(['gpu-eu'])
  expect(namesIn(await list('--region', 'us'))).toEqual(['cpu-us'])
  expect(namesIn(await list('--type', 'kubernetes'))).toEqual(['gpu-eu'])
  expect(namesIn(await list('--active'))).toEqual(['gpu-eu'])
  expect(await run(['pools', 'list', '--region', 'mars'])).toEqual({
    code: 0,
    stdout: '',
    stderr: 'poolmesh: no pool is like that\n',
  })
})

test('a pool that there is not ends with 4', async () => {
  const { code, stdout, stderr } = await run(['pools', 'get', 'nowhere'])
  expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
  expect(stderr).toMatch(/nowhere.*\(NOT_FOUND\)/)
})

test('a list goes on to the end, page after page; --limit ends it before, and --cursor goes on', async () => {
  const names = Array.from({ length: MANY }, (_, i) => `many-${String(i).padStart(4, '0')}`)
  await Promise.all(
    names.map((name) => system.registry.registerPool({ name, pool_type: 'nats', capabilities: ['many'] })),
  )
  const many = ['pools', 'list', '-c', 'many']
  expect(namesIn(await run([...many, '--json']))).toEqual(names)
  const first = await run([...many, '--limit', '1050', '--json'])
  expect(namesIn(first)).toEqual(names.slice(0, 1_050))
  const { cursor } = poolListReplySchema.parse(jsonOf(first))
  expect(namesIn(await run([...many, '--cursor', String(cursor), '--json']))).toEqual(names.slice(1_050))
  const shown = await run([...many, '--limit', '2'])
  expect(shown.stdout.trimEnd().split('\n')).toHaveLength(3)
  expect(shown.stderr).toMatch(/there are more: --cursor \S+ goes on/)
})

test.each(['0', '1.5', '-3'])('--limit %s is refused', async (limit) => {
  const { code, stderr } = await run(['pools', 'list', '--limit', limit])
  expect(code).toBe(2)
  expect(stderr).toMatch(/--limit must be a whole number from 1/)
})

test('discover registers what an endpoint lists, and says of one that fails why', async () => {
  const server = createServer((_, response) => response.end(listing)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const listing = JSON.stringify({
    pools: [{ name: 'found', pool_type: 'mahavishnu', endpoint: url, capabilities: ['found'] }],
  })
  expect(await run(['pools', 'discover', url])).toEqual({
    code: 0,
    stdout: 'new      found\nchanged  -\ngone     -\n',
    stderr: '',
  })
  expect(namesIn(await run(['pools', 'list', '-c', 'found', '--json']))).toEqual(['found'])
  server.close()
  server.closeAllConnections()
  const again = await run(['pools', 'discover', url])
  expect(again).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('it cannot be reached: ECONNREFUSED'),
  })
  const report = await run(['pools', 'discover', url, '--format', 'markdown'])
  expect(report.stdout).toMatch(/^\| endpoint +\| why it failed +\|\n.*\n\| http:.* \| .*ECONNREFUSED.* \|$/m)
  expect(discoverReplySchema.parse(jsonOf(await run(['pools', 'discover', url, '--json'])))).toMatchObject({
    new: [],
    failed: [{ endpoint: url }],
  })
})
