// `npm run generate`: writes what is generated from this package. A test compares it with what is checked in.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsPage } from './metrics-page.ts'

writeFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'metrics.md'), metricsPage())
