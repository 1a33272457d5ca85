// Writes what is generated from the schemas: JSON Schema, AsyncAPI and the page of errors. `npm run generate`.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asyncApi } from './asyncapi.ts'
import { errorsPage } from './errors-page.ts'
import { EXAMPLES } from './examples.ts'
import { jsonSchemas, SCHEMA_NAMES } from './schemas.ts'

export const DOCS = join(import.meta.dirname, '../../../docs')
export const SCHEMAS_FOLDER = 'api/schemas'

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** Every generated file: its path under docs, and its text. */
export function generatedFiles(): Map<string, string> {
  const schemas = jsonSchemas((name) => `${name}.json`)
  const files = new Map<string, string>()
  for (const name of SCHEMA_NAMES) {
    const head = { $schema: 'http://json-schema.org/draft-07/schema#', $id: `${name}.json` }
    files.set(
      `${SCHEMAS_FOLDER}/${name}.json`,
      json({ ...head, ...schemas[name], examples: [EXAMPLES[name]] }),
    )
  }
  files.set('api/asyncapi.json', json(asyncApi()))
  files.set('errors.md', errorsPage())
  return files
}

function write(): void {
  const files = generatedFiles()
  mkdirSync(join(DOCS, SCHEMAS_FOLDER), { recursive: true })
  for (const old of readdirSync(join(DOCS, SCHEMAS_FOLDER)))
    if (!files.has(`${SCHEMAS_FOLDER}/${old}`)) rmSync(join(DOCS, SCHEMAS_FOLDER, old))
  for (const [path, text] of files) writeFileSync(join(DOCS, path), text)
  process.stdout.write(`${files.size} files written to docs\n`)
}

if (import.meta.main) write()
