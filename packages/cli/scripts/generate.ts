// `npm run generate`: writes what is generated from this package. With `--check` it only says whether that is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePage } from './reference-page.ts'

const file = join(import.meta.dirname, '..', '..', '..', 'docs', 'cli-reference.md')
if (!process.argv.includes('--check')) writeFileSync(file, referencePage())
else if (readFileSync(file, 'utf8') !== referencePage()) {
  process.stderr.write('docs/cli-reference.md is out of date: npm run generate\n')
  process.exitCode = 1
}
