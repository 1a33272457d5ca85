// Settings: environment over file over default, resolved once into one object. What is unknown or out of range
// stops the start, by name. The `pools:` keys and MAHAVISHNU_POOLS__* are those of the Python system, read as they are.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Issue, issuesOf, PoolmeshError, PoolType, RoutingStrategy } from '@poolmesh/types'
import * as z from 'zod'
import { ALERT_SETTINGS } from './alert-settings.ts'
import {
  address,
  copies,
  flag,
  headersByUrl,
  httpUrl,
  optional,
  range,
  type Setting,
  secret,
  setting,
  sync,
  token,
  urls,
  whole,
} from './setting-kinds.ts'

/** `pools:` in the file, `MAHAVISHNU_POOLS__<KEY>` in the environment. */
export const POOL_SETTINGS = {
  enabled: setting<boolean>(flag, true, 'false: the services refuse to start'),
  default_type: setting<PoolType>(
    z.preprocess(
      (v) => (v === 'session-buddy' ? 'session_buddy' : v),
      z.enum(Object.values(PoolType)),
    ) as z.ZodType<PoolType>,
    'nats',
    'type of a pool that is registered without one by the client and the command line',
  ),
  routing_strategy: setting<RoutingStrategy>(
    z.enum(Object.values(RoutingStrategy)),
    'least_loaded',
    'strategy of tasks that name none',
  ),
  min_workers: setting<number>(
    whole(1, 10),
    1,
    'fewest workers of a pool that `pool_spawn` makes without naming a number; it begins with them',
  ),
  max_workers: setting<number>(whole(1, 100), 10, 'workers of a pool that names no number itself'),
  memory_aggregation_enabled: setting<boolean>(flag, false, 'collect results into Session-Buddy and Akosha'),
  memory_sync_interval: setting<number>(whole(10, 600), 60, 'seconds between two pushes of results'),
  session_buddy_url: setting<string>(httpUrl, 'http://localhost:8678/mcp', 'MCP address of Session-Buddy'),
  akosha_url: setting<string>(httpUrl, 'http://localhost:8682/mcp', 'MCP address of Akosha'),
}

/** `poolmesh:` in the file, `POOLMESH_<KEY>` in the environment. */
export const OWN_SETTINGS = {
  nats_port: setting<number>(whole(1, 65_535), 4222, 'port of the embedded NATS server'),
  http_port: setting<number>(whole(1, 65_535), 8080, 'port of the gateway'),
  http_host: setting<string>(
    address,
    '127.0.0.1',
    'address that the gateway listens on; 0.0.0.0: every one of the machine, which a container needs. Any other than loopback needs `http_token`',
  ),
  http_token: secret(
    setting<string | undefined>(
      optional(token),
      undefined,
      'token that callers of the gateway send as `Authorization: Bearer <token>`; on loopback none is needed',
    ),
  ),
  metrics_port: setting<number>(
    whole(0, 65_535),
    0,
    'port of `/metrics` for Prometheus: of one service, or of all that `npm start` runs; 0: none',
  ),
  metrics_host: setting<string>(
    address,
    '127.0.0.1',
    'address that `/metrics` listens on; whoever reaches it reads the names of pools and types of task, without a token',
  ),
  spawn_file: setting<string | undefined>(
    optional(z.string().min(1)),
    undefined,
    'JSON file of the pool types that the MCP tool `pool_spawn` may make: `{type: {command, args, env}}` of processes, `{type: {endpoint, kubernetes, capabilities, region}}` of Kubernetes pools; without it none',
  ),
  data_dir: setting<string>(z.string().min(1), '.poolmesh', 'folder of the embedded NATS server’s files'),
  demo: setting<boolean>(flag, true, 'start the demonstration pools and submit the sample'),
  log_level: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'least severe line that is logged',
  ),
  nats_token: secret(
    setting<string | undefined>(optional(z.string().min(1)), undefined, 'token for the NATS server'),
  ),
  sync: setting<string>(
    sync,
    '1s',
    'how often the embedded server flushes to disk, which is what a power cut may lose; a server that NATS_URL names has its own `sync_interval`',
  ),
  replicas: setting<1 | 3>(
    copies,
    1,
    'copies of each stream, consumer and bucket; 3 needs a NATS cluster of three. Set, it also changes what is there already',
  ),
  results_hours: setting<number>(range(0.01, 8_760), 24, 'hours that results are kept'),
  max_pending_bytes: setting<number>(
    whole(1_048_576, 2 ** 50),
    8 * 1024 ** 3,
    'bytes of pending tasks before new ones are refused',
  ),
  window_tasks: setting<number>(
    whole(100, 1_000_000),
    20_000,
    'tasks that an executor holds in memory at most',
  ),
  window_bytes: setting<number>(
    whole(1_048_576, 2 ** 40),
    64 * 1024 ** 2,
    'bytes of tasks that an executor holds in memory at most',
  ),
  discovery_endpoints: setting<string[]>(
    urls,
    [],
    'addresses, with commas between, that are asked for pools; `nats://services` asks the services on the bus',
  ),
  http_headers: secret(
    setting<Record<string, Record<string, string>>>(
      headersByUrl,
      {},
      'headers, such as `authorization`, for HTTP and MCP pools whose endpoint begins with a URL: `{"<URL>": {"<header>": "<value>"}}`, in the environment as JSON',
    ),
  ),
  kubeconfig: setting<string | undefined>(
    optional(z.string().min(1)),
    undefined,
    'kubeconfig file for `kubernetes` pools; left out: `KUBECONFIG`, the account of the pod that it runs in, or `~/.kube/config`',
  ),
  check_interval: setting<number>(range(0.05, 3_600), 30, 'seconds between two health checks of a pool'),
  check_timeout: setting<number>(range(0.02, 600), 10, 'seconds that a pool has to answer a health check'),
  degraded_after: setting<number>(whole(1, 1_000), 2, 'failures in a row after which a pool is degraded'),
  unavailable_after: setting<number>(
    whole(1, 1_000),
    5,
    'failures in a row after which a pool is unavailable',
  ),
  heartbeat_interval: setting<number>(range(0.05, 600), 5, 'seconds between two heartbeats of a pool'),
  heartbeats_missed: setting<number>(
    whole(1, 100),
    3,
    'heartbeats missed in a row that make a pool unavailable',
  ),
  flapping_changes: setting<number>(
    whole(2, 1_000),
    4,
    'changes of status within the flapping window that make a pool flapping',
  ),
  flapping_window: setting<number>(range(0.1, 86_400), 300, 'seconds of the flapping window'),
  ...ALERT_SETTINGS,
}

type Values<Table extends Record<string, { default: unknown }>> = {
  -readonly [K in keyof Table]: Table[K]['default']
}
export interface Settings {
  pools: Values<typeof POOL_SETTINGS>
  poolmesh: Values<typeof OWN_SETTINGS>
  /** NATS_URL: use that server, start none. */
  natsUrl: string | null
  /** Where each value comes from, by its name in the environment. */
  sources: Record<string, 'environment' | 'file' | 'default'>
}

export const SETTINGS_FILE = 'settings/mahavishnu.yaml'
/** Read by other parts, so no mistake when they are set; the second by pools that `pool_spawn` starts. */
const OTHER_VARIABLES = new Set(['POOLMESH_SETTINGS', 'POOLMESH_POOL_NAME'])

/**
 * @param env usually `process.env`
 * @param file the settings file; one that is named with POOLMESH_SETTINGS has to exist
 * @throws PoolmeshError INVALID_SETTING that names every wrong setting
 */
export function loadSettings(
  env: Record<string, string | undefined> = process.env,
  file = SETTINGS_FILE,
): Settings {
  const issues: Issue[] = []
  const document = readFile(env['POOLMESH_SETTINGS'], file, issues)
  const sources: Settings['sources'] = {}
  const settings: Settings = {
    pools: resolve(POOL_SETTINGS, 'MAHAVISHNU_POOLS__', 'pools', document['pools'], env, sources, issues),
    poolmesh: resolve(OWN_SETTINGS, 'POOLMESH_', 'poolmesh', document['poolmesh'], env, sources, issues),
    natsUrl: env['NATS_URL']?.trim() || null,
    sources,
  }
  if (settings.pools.min_workers > settings.pools.max_workers)
    issues.push({ path: 'MAHAVISHNU_POOLS__MIN_WORKERS', message: 'is more than max_workers' })
  if (settings.poolmesh.degraded_after > settings.poolmesh.unavailable_after)
    issues.push({ path: 'POOLMESH_DEGRADED_AFTER', message: 'is more than unavailable_after' })
  if (issues.length > 0) {
    const list = issues.map((issue) => `${issue.path} ${issue.message}`).join('; ')
    throw new PoolmeshError('INVALID_SETTING', `settings refused: ${list}`, issues)
  }
  return settings
}

/** Loaded where there is a file: each of the processes of a system starts a tenth sooner without it. */
const yaml = (): typeof import('yaml') => createRequire(import.meta.url)('yaml') as typeof import('yaml')

function readFile(named: string | undefined, usual: string, issues: Issue[]): Record<string, unknown> {
  const path = named ?? usual
  if (!existsSync(path)) {
    if (named)
      issues.push({ path: 'POOLMESH_SETTINGS', message: `names the file ${named}, which does not exist` })
    return {}
  }
  try {
    const document: unknown = yaml().parse(readFileSync(path, 'utf8')) ?? {}
    if (typeof document === 'object' && !Array.isArray(document)) return document as Record<string, unknown>
    issues.push({ path, message: 'must have sections at its top, such as pools:' })
  } catch (error) {
    issues.push({ path, message: `is no valid YAML: ${(error as Error).message.split('\n')[0]}` })
  }
  return {}
}

function resolve<Table extends Record<string, Setting<unknown>>>(
  table: Table,
  prefix: string,
  section: string,
  fromFile: unknown,
  env: Record<string, string | undefined>,
  sources: Settings['sources'],
  issues: Issue[],
): Values<Table> {
  if (
    fromFile !== null &&
    fromFile !== undefined &&
    (typeof fromFile !== 'object' || Array.isArray(fromFile))
  )
    issues.push({ path: section, message: 'must be a section with a key on each line' })
  const inFile = new Map(Object.entries((fromFile as object | null | undefined) ?? {}))
  for (const key of inFile.keys())
    if (!Object.hasOwn(table, key)) issues.push({ path: `${section}.${key}`, message: 'is not a setting' })
  for (const name of Object.keys(env))
    if (
      name.startsWith(prefix) &&
      !Object.hasOwn(table, name.slice(prefix.length).toLowerCase()) &&
      !OTHER_VARIABLES.has(name)
    )
      issues.push({ path: name, message: 'is not a setting' })
  const values: Record<string, unknown> = {}
  for (const [key, spec] of Object.entries(table)) {
    const variable = prefix + key.toUpperCase()
    const source = env[variable] !== undefined ? 'environment' : inFile.has(key) ? 'file' : 'default'
    sources[variable] = source
    values[key] = spec.default
    if (source === 'default') continue
    const parsed = spec.schema.safeParse(source === 'environment' ? env[variable] : inFile.get(key))
    if (parsed.success) values[key] = parsed.data
    else
      issues.push({
        path: source === 'environment' ? variable : `${section}.${key}`,
        message: `is wrong: ${issuesOf(parsed.error)[0]?.message ?? 'invalid'} (${spec.meaning})`,
      })
  }
  return values as Values<Table>
}
