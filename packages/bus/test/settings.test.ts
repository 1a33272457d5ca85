import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PoolmeshError } from '@poolmesh/types'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settingsPage } from '../scripts/settings-page.ts'
import { loadSettings, OWN_SETTINGS, POOL_SETTINGS } from '../src/index.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const NO_FILE = '/nonexistent/settings.yaml'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'poolmesh-settings-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function yaml(text: string): string {
  const file = join(folder, `${files++}.yaml`)
  writeFileSync(file, text)
  return file
}

/** The names that were refused, with the messages. */
function refused(env: Record<string, string>, file = NO_FILE): Record<string, string> {
  try {
    loadSettings(env, file)
  } catch (error) {
    if (!(error instanceof PoolmeshError)) throw error
    expect(error.code).toBe('INVALID_SETTING')
    expect(error.message).not.toContain('\n')
    for (const issue of error.issues) expect(error.message).toContain(issue.path)
    return Object.fromEntries(error.issues.map((issue) => [issue.path, issue.message]))
  }
  return {}
}

/** Smallest, largest, and what lies beyond. A test below holds this table to the code's. */
const RANGES: Record<string, { min: number; max: number; whole: boolean }> = {
  MAHAVISHNU_POOLS__MIN_WORKERS: { min: 1, max: 10, whole: true },
  MAHAVISHNU_POOLS__MAX_WORKERS: { min: 1, max: 100, whole: true },
  MAHAVISHNU_POOLS__MEMORY_SYNC_INTERVAL: { min: 10, max: 600, whole: true },
  POOLMESH_NATS_PORT: { min: 1, max: 65_535, whole: true },
  POOLMESH_HTTP_PORT: { min: 1, max: 65_535, whole: true },
  POOLMESH_METRICS_PORT: { min: 0, max: 65_535, whole: true },
  POOLMESH_RESULTS_HOURS: { min: 0.01, max: 8_760, whole: false },
  POOLMESH_MAX_PENDING_BYTES: { min: 1_048_576, max: 2 ** 50, whole: true },
  POOLMESH_WINDOW_TASKS: { min: 100, max: 1_000_000, whole: true },
  POOLMESH_WINDOW_BYTES: { min: 1_048_576, max: 2 ** 40, whole: true },
  POOLMESH_CHECK_INTERVAL: { min: 0.05, max: 3_600, whole: false },
  POOLMESH_CHECK_TIMEOUT: { min: 0.02, max: 600, whole: false },
  POOLMESH_DEGRADED_AFTER: { min: 1, max: 1_000, whole: true },
  POOLMESH_UNAVAILABLE_AFTER: { min: 1, max: 1_000, whole: true },
  POOLMESH_HEARTBEAT_INTERVAL: { min: 0.05, max: 600, whole: false },
  POOLMESH_HEARTBEATS_MISSED: { min: 1, max: 100, whole: true },
  POOLMESH_FLAPPING_CHANGES: { min: 2, max: 1_000, whole: true },
  POOLMESH_FLAPPING_WINDOW: { min: 0.1, max: 86_400, whole: false },
  POOLMESH_ALERTS_WINDOW: { min: 0, max: 3_600, whole: false },
}
/** Each with values that are taken, as they end up, and values that are refused. */
const OTHERS: Record<string, { good: [string, unknown][]; bad: string[] }> = {
  MAHAVISHNU_POOLS__DEFAULT_TYPE: {
    good: [
      ['nats', 'nats'],
      ['mahavishnu', 'mahavishnu'],
      ['session_buddy', 'session_buddy'],
      ['session-buddy', 'session_buddy'],
      ['kubernetes', 'kubernetes'],
    ],
    bad: ['', 'Nats', 'docker'],
  },
  MAHAVISHNU_POOLS__ROUTING_STRATEGY: {
    good: ['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity'].map((s) => [s, s]),
    bad: ['', 'random', 'LEAST_LOADED'],
  },
  MAHAVISHNU_POOLS__SESSION_BUDDY_URL: {
    good: [['https://buddy.example:1234/mcp', 'https://buddy.example:1234/mcp']],
    bad: ['', 'buddy', 'ftp://buddy.example', 'file:///etc/passwd'],
  },
  MAHAVISHNU_POOLS__AKOSHA_URL: {
    good: [['http://127.0.0.1:1/mcp', 'http://127.0.0.1:1/mcp']],
    bad: ['', 'akosha', 'javascript:alert(1)'],
  },
  POOLMESH_HTTP_HOST: {
    good: ['127.0.0.1', '0.0.0.0', '::', '::1'].map((address) => [address, address]),
    bad: ['', 'localhost', '127.0.0.1:8080', '300.0.0.1', '*', 'http://127.0.0.1'],
  },
  POOLMESH_METRICS_HOST: {
    good: ['127.0.0.1', '0.0.0.0', '::', '::1'].map((address) => [address, address]),
    bad: ['', 'localhost', '127.0.0.1:8080', '300.0.0.1', '*', 'http://127.0.0.1'],
  },
  POOLMESH_HTTP_TOKEN: {
    good: [['0123456789abcdef', '0123456789abcdef']],
    bad: ['', 'short', '0123456789 abcdef', '0123456789abcdé'],
  },
  POOLMESH_SPAWN_FILE: { good: [['spawn.json', 'spawn.json']], bad: [''] },
  POOLMESH_DATA_DIR: { good: [['/somewhere/else', '/somewhere/else']], bad: [''] },
  POOLMESH_LOG_LEVEL: {
    good: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => [level, level]),
    bad: ['', 'verbose', 'INFO'],
  },
  POOLMESH_NATS_TOKEN: { good: [['s3cret', 's3cret']], bad: [''] },
  POOLMESH_SYNC: {
    good: ['always', '500ms', '1s', '2m'].map((sync) => [sync, sync]),
    bad: ['', '0s', '1', 'never', '1h', '1s; max_mem: 1'],
  },
  POOLMESH_REPLICAS: {
    good: [
      ['1', 1],
      ['3', 3],
    ],
    bad: ['', '0', '2', '4', '5', '1.5', 'three', 'true'],
  },
  POOLMESH_DISCOVERY_ENDPOINTS: {
    good: [
      ['', []],
      ['http://a.example', ['http://a.example']],
      ['http://a.example:8000, https://b.example', ['http://a.example:8000', 'https://b.example']],
    ],
    bad: ['a.example', 'http://a.example,nonsense'],
  },
  POOLMESH_ALERTS_SHAPE: {
    good: ['json', 'slack', 'alertmanager'].map((shape) => [shape, shape]),
    bad: ['', 'xml', 'JSON'],
  },
  POOLMESH_ALERTS_GROUP_BY: {
    good: ['none', 'type', 'region'].map((what) => [what, what]),
    bad: ['', 'pool'],
  },
  POOLMESH_ALERTS_NAME: { good: [['night-shift', 'night-shift']], bad: ['', 'a.b', 'a b', 'x'.repeat(65)] },
  POOLMESH_ALERTS_AUTHORIZATION: {
    good: [['Bearer s3cret', 'Bearer s3cret']],
    bad: ['', 's3cret\r\nb: c', 's3crét'],
  },
  POOLMESH_KUBECONFIG: { good: [['/etc/kube/config', '/etc/kube/config']], bad: [''] },
  POOLMESH_HTTP_HEADERS: {
    good: [
      ['{}', {}],
      [
        '{"https://a.example/x":{"Authorization":"Bearer s3cret"}}',
        { 'https://a.example/x': { Authorization: 'Bearer s3cret' } },
      ],
    ],
    bad: [
      '',
      's3cret',
      '[]',
      '{"a.example":{"authorization":"s3cret"}}',
      '{"http://a.example":"s3cret"}',
      '{"http://a.example":{"a b":"s3cret"}}',
      '{"http://a.example":{"a":"s3cret\\r\\nb: c"}}',
    ],
  },
}
for (const key of ['URL', 'LINK'])
  OTHERS[`POOLMESH_ALERTS_${key}`] = {
    good: [['https://hooks.example/a/s3cret', 'https://hooks.example/a/s3cret']],
    bad: ['', 'hooks.example/s3cret', 'file:///s3cret'],
  }
const FLAGS = ['MAHAVISHNU_POOLS__ENABLED', 'MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED', 'POOLMESH_DEMO']

const variables = [
  ...Object.keys(POOL_SETTINGS).map((key) => `MAHAVISHNU_POOLS__${key.toUpperCase()}`),
  ...Object.keys(OWN_SETTINGS).map((key) => `POOLMESH_${key.toUpperCase()}`),
]

function settingOf(variable: string, env: Record<string, string>, file = NO_FILE): unknown {
  const settings = loadSettings(env, file)
  return variable.startsWith('POOLMESH_')
    ? (settings.poolmesh as Record<string, unknown>)[variable.slice('POOLMESH_'.length).toLowerCase()]
    : (settings.pools as Record<string, unknown>)[variable.slice('MAHAVISHNU_POOLS__'.length).toLowerCase()]
}
/** What has to go with it, so that the two are in order. */
const beside = (variable: string): Record<string, string> =>
  variable === 'POOLMESH_DEGRADED_AFTER'
    ? { POOLMESH_UNAVAILABLE_AFTER: '1000' }
    : variable === 'POOLMESH_UNAVAILABLE_AFTER'
      ? { POOLMESH_DEGRADED_AFTER: '1' }
      : {}

test('every setting is in exactly one table of this test', () => {
  expect([...Object.keys(RANGES), ...Object.keys(OTHERS), ...FLAGS].sort()).toEqual([...variables].sort())
})

test('with nothing set, everything has its default, and every default is a value that may be set', () => {
  const settings = loadSettings({}, NO_FILE)
  expect(settings.natsUrl).toBeNull()
  expect(settings.pools).toEqual({
    enabled: true,
    default_type: 'nats',
    routing_strategy: 'least_loaded',
    min_workers: 1,
    max_workers: 10,
    memory_aggregation_enabled: false,
    memory_sync_interval: 60,
    session_buddy_url: 'http://localhost:8678/mcp',
    akosha_url: 'http://localhost:8682/mcp',
  })
  expect(settings.poolmesh).toMatchObject({
    nats_port: 4222,
    http_port: 8080,
    metrics_port: 0,
    metrics_host: '127.0.0.1',
    http_host: '127.0.0.1',
    data_dir: '.poolmesh',
    demo: true,
  })
  for (const table of [POOL_SETTINGS, OWN_SETTINGS])
    for (const [key, setting] of Object.entries(table))
      expect(setting.schema.safeParse(setting.default), key).toMatchObject({ success: true })
  expect(new Set(Object.values(settings.sources))).toEqual(new Set(['default']))
  expect(Object.keys(settings.sources).sort()).toEqual([...variables].sort())
})

describe.each(Object.entries(RANGES))('%s', (variable, { min, max, whole }) => {
  test('takes both ends of its range and nothing beyond', () => {
    const with_ = (value: number | string) => ({ ...beside(variable), [variable]: String(value) })
    expect(settingOf(variable, with_(min))).toBe(min)
    expect(settingOf(variable, with_(max))).toBe(max)
    const step = whole ? 1 : 0.001
    for (const wrong of [min - step, max + 1, -1, 'many', '', ' ', '1,5', 'NaN', 'Infinity', '5s', 'true'])
      expect(Object.keys(refused(with_(wrong))), String(wrong)).toContain(variable)
    if (whole) expect(Object.keys(refused(with_(min + 0.5)))).toContain(variable)
    else expect(settingOf(variable, with_(min + 0.5))).toBe(min + 0.5)
  })
})

describe.each(Object.entries(OTHERS))('%s', (variable, { good, bad }) => {
  test('takes what it may be, and nothing else', () => {
    for (const [text, value] of good) expect(settingOf(variable, { [variable]: text }), text).toEqual(value)
    for (const text of bad) expect(Object.keys(refused({ [variable]: text })), text).toEqual([variable])
  })
})

test.each(FLAGS)('%s is true or false, in the words of the Python system', (variable) => {
  for (const word of ['true', 'True', '1', 'yes', 'on', 'T', 'y'])
    expect(settingOf(variable, { [variable]: word }), word).toBe(true)
  for (const word of ['false', 'False', '0', 'no', 'off', 'F', 'n'])
    expect(settingOf(variable, { [variable]: word }), word).toBe(false)
  for (const word of ['', '2', 'maybe', 'null', 'constructor'])
    expect(refused({ [variable]: word }), word).toEqual({
      [variable]: expect.stringContaining('must be true or false'),
    })
})

test('every wrong setting is named at once, in one line', () => {
  const env = { POOLMESH_HTTP_PORT: '0', MAHAVISHNU_POOLS__MAX_WORKERS: '101', POOLMESH_HTTP_PROT: '1' }
  expect(Object.keys(refused(env)).sort()).toEqual(Object.keys(env).sort())
})

test('an unknown name is refused by name, in the environment and in the file', () => {
  expect(refused({ MAHAVISHNU_POOLS__MAX_WORKER: '3' })).toEqual({
    MAHAVISHNU_POOLS__MAX_WORKER: 'is not a setting',
  })
  expect(refused({ POOLMESH_TOSTRING: '3' })).toEqual({ POOLMESH_TOSTRING: 'is not a setting' })
  expect(refused({}, yaml('pools:\n  max_worker: 3\npoolmesh:\n  constructor: 1\n'))).toEqual({
    'pools.max_worker': 'is not a setting',
    'poolmesh.constructor': 'is not a setting',
  })
})

test('other variables and other sections of the file are somebody else’s', () => {
  const file = yaml('server_name: Mahavishnu\nadapters: {prefect: true}\npools:\n  max_workers: 7\n')
  expect(settingOf('MAHAVISHNU_POOLS__MAX_WORKERS', { MAHAVISHNU_LOG_LEVEL: 'x', HOME: '/' }, file)).toBe(7)
})

test('what pool_spawn tells a process is no mistake in a command that the process runs', () => {
  expect(refused({ POOLMESH_POOL_NAME: 'python-1' })).toEqual({})
})

test('environment over file over default', () => {
  const file = yaml('pools:\n  max_workers: 20\n  min_workers: 2\npoolmesh:\n  check_interval: 1.5\n')
  const settings = loadSettings({ MAHAVISHNU_POOLS__MAX_WORKERS: '30' }, file)
  expect(settings.pools).toMatchObject({ max_workers: 30, min_workers: 2, routing_strategy: 'least_loaded' })
  expect(settings.poolmesh.check_interval).toBe(1.5)
  expect(settings.sources).toMatchObject({
    MAHAVISHNU_POOLS__MAX_WORKERS: 'environment',
    MAHAVISHNU_POOLS__MIN_WORKERS: 'file',
    MAHAVISHNU_POOLS__ROUTING_STRATEGY: 'default',
  })
})

test('a wrong value in the file is refused by its key, but not where the environment has another', () => {
  const file = yaml('pools:\n  max_workers: 200\n')
  expect(Object.keys(refused({}, file))).toEqual(['pools.max_workers'])
  expect(settingOf('MAHAVISHNU_POOLS__MAX_WORKERS', { MAHAVISHNU_POOLS__MAX_WORKERS: '9' }, file)).toBe(9)
})

test('limits that contradict each other are refused', () => {
  expect(refused({ MAHAVISHNU_POOLS__MIN_WORKERS: '5', MAHAVISHNU_POOLS__MAX_WORKERS: '4' })).toEqual({
    MAHAVISHNU_POOLS__MIN_WORKERS: 'is more than max_workers',
  })
  expect(refused({ POOLMESH_DEGRADED_AFTER: '6' })).toEqual({
    POOLMESH_DEGRADED_AFTER: 'is more than unavailable_after',
  })
})

test('a file that is no YAML, or has the wrong form, is refused by its name', () => {
  const broken = yaml('pools:\n  max_workers: [1\n')
  expect(refused({}, broken)).toEqual({ [broken]: expect.stringContaining('is no valid YAML') })
  const twice = yaml('pools:\n  max_workers: 1\n  max_workers: 2\n')
  expect(refused({}, twice)).toEqual({ [twice]: expect.stringContaining('is no valid YAML') })
  const list = yaml('- pools\n')
  expect(refused({}, list)).toEqual({ [list]: expect.stringContaining('sections') })
  expect(refused({}, yaml('pools: 5\n'))).toEqual({ pools: expect.stringContaining('section') })
  expect(Object.keys(refused({}, yaml('pools: [max_workers]\n')))).toContain('pools')
  expect(refused({}, yaml(''))).toEqual({})
  expect(refused({}, yaml('pools:\n'))).toEqual({})
})

test('a file that is named has to exist, the usual one need not', () => {
  expect(refused({ POOLMESH_SETTINGS: '/nonexistent/mine.yaml' })).toEqual({
    POOLMESH_SETTINGS: 'names the file /nonexistent/mine.yaml, which does not exist',
  })
  const mine = yaml('pools:\n  max_workers: 11\n')
  expect(settingOf('MAHAVISHNU_POOLS__MAX_WORKERS', { POOLMESH_SETTINGS: mine })).toBe(11)
})

test('NATS_URL is taken as it is, and an empty one as none', () => {
  expect(loadSettings({ NATS_URL: ' nats://other:4222 ' }, NO_FILE).natsUrl).toBe('nats://other:4222')
  expect(loadSettings({ NATS_URL: '' }, NO_FILE).natsUrl).toBeNull()
})

test('what is wrong with a secret is said without it', () => {
  for (const name of ['POOLMESH_HTTP_HEADERS', 'POOLMESH_ALERTS_URL', 'POOLMESH_ALERTS_AUTHORIZATION'])
    for (const value of OTHERS[name]?.bad ?? [])
      expect(JSON.stringify(refused({ [name]: value })), name).not.toContain('s3cret')
})

test('the example file shows every key with its default', () => {
  const example = join(ROOT, 'settings', 'mahavishnu.example.yaml')
  const settings = loadSettings({}, example)
  const { sources: _, ...values } = settings
  const { sources: __, ...defaults } = loadSettings({}, NO_FILE)
  expect(values).toEqual(defaults)
  const unset = Object.entries(settings.sources).filter(([, source]) => source === 'default')
  expect(unset.map(([name]) => name)).toEqual([
    'POOLMESH_HTTP_TOKEN',
    'POOLMESH_SPAWN_FILE',
    'POOLMESH_NATS_TOKEN',
    'POOLMESH_KUBECONFIG',
    'POOLMESH_ALERTS_URL',
    'POOLMESH_ALERTS_LINK',
    'POOLMESH_ALERTS_AUTHORIZATION',
  ])
})

test('docs/settings.md is what `npm run generate` writes', () => {
  expect(readFileSync(join(ROOT, 'docs', 'settings.md'), 'utf8')).toBe(settingsPage())
})
