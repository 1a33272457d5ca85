// `npm run generate`: writes what is generated from this package. With `--check` it only says whether that is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsPage } from './metrics-page.ts'

const file = join(import.meta.dirname, '..', '..', '..', 'docs', 'metrics.md')
if (!process.argv.includes('--check')) writeFileSync(file, metricsPage())
else if (readFileSync(file, 'utf8') !== metricsPage()) {
  process.stderr.write('docs/metrics.md is out of date: npm run generate\n')
  process.exitCode = 1
}
