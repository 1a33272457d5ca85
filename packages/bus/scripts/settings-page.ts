// docs/settings.md, from the tables that the settings are read with.
import * as z from 'zod'
import { OWN_SETTINGS, POOL_SETTINGS, SETTINGS_FILE } from '../src/index.ts'

type Table = Record<string, { schema: z.ZodType; default: unknown; meaning: string }>

/** What a value may be, for people. */
function allowed(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema)
  if (json.description) return json.description
  if (json.enum) return json.enum.map((one) => `\`${one}\``).join(', ')
  if (json.type === 'boolean') return 'true or false'
  if (json.minimum !== undefined) {
    const kind = json.type === 'integer' ? 'whole number' : 'number'
    return `${kind}, ${json.minimum}–${json.maximum}`
  }
  if (json.type === 'object') return 'headers by URL'
  if (json.type === 'array') return 'URLs with commas between'
  if (json.format === 'uri') return 'http(s) URL'
  return 'text'
}

function rows(table: Table, prefix: string): string {
  const lines = Object.entries(table).map(([key, setting]) => {
    const value =
      typeof setting.default === 'object' ? Object.values(setting.default ?? {}).join(',') : setting.default
    const shown = value === undefined || value === '' ? 'none' : `\`${value}\``
    return `| \`${prefix}${key.toUpperCase()}\` | \`${key}\` | ${shown} | ${allowed(setting.schema)} | ${setting.meaning} |`
  })
  return [
    '| in the environment | in the file | default | may be | what it does |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}

export const settingsPage = (): string => `# Settings

Generated from the code by \`npm run generate\`.

Environment over file over default, read once, when a process starts. A name that is unknown or a value that is wrong
stops the start with one line that names it.

The file is \`${SETTINGS_FILE}\`, or what \`POOLMESH_SETTINGS\` names; it may be missing. Other sections of a file that is
shared with the Python system are left alone. \`settings/mahavishnu.example.yaml\` shows every key.

\`NATS_URL\` (\`nats://user:password@host:port\`, several with commas between) names a NATS server to use; no server is
started then.

## Section \`pools:\`

The keys of the Python system, as they are.

${rows(POOL_SETTINGS, 'MAHAVISHNU_POOLS__')}

## Section \`poolmesh:\`

${rows(OWN_SETTINGS, 'POOLMESH_')}
`
