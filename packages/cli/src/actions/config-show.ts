import { loadSettings, OWN_SETTINGS, POOL_SETTINGS, type Settings } from '@poolmesh/bus'
import type { ConfigShowOptions } from '../commands/config.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { SETTING_COLUMNS, type ShownSetting } from '../views/config.ts'

const MASK = '********'

/** @throws PoolmeshError INVALID_SETTING that names every wrong one */
export function showConfig(options: ConfigShowOptions): ExitCode {
  const rows = shownSettings(loadSettings())
  printList(options, { columns: SETTING_COLUMNS, rows, json: { settings: rows }, nothing: 'no settings' })
  return EXIT.done
}

function shownSettings(settings: Settings): ShownSetting[] {
  const of = (
    table: Record<string, { secret?: true }>,
    values: Record<string, unknown>,
    prefix: string,
  ): ShownSetting[] =>
    Object.entries(table).map(([key, { secret }]) => {
      const name = prefix + key.toUpperCase()
      return {
        name,
        value: secret ? masked(values[key]) : withoutPasswords(values[key]),
        source: settings.sources[name] ?? 'default',
      }
    })
  return [
    {
      name: 'NATS_URL',
      // To the last @ of an address, since a password may have one itself.
      value: settings.natsUrl?.replaceAll(/[^/,\s]*@/g, `${MASK}@`) ?? null,
      source: settings.natsUrl === null ? 'default' : 'environment',
    },
    ...of(POOL_SETTINGS, settings.pools, 'MAHAVISHNU_POOLS__'),
    ...of(OWN_SETTINGS, settings.poolmesh, 'POOLMESH_'),
  ]
}

/** Whether there is one may be told. */
const masked = (value: unknown): unknown => (isNothing(value) ? null : MASK)

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)

function withoutPasswords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPasswords)
  if (typeof value !== 'string') return value ?? null
  return value.replaceAll(/(?<=:\/\/)[^/,\s]*@/g, `${MASK}@`)
}
