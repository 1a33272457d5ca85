// `npm run bench -- [compare|full|instructions|main|decision|registry|durability|backlog|file|http|guide|gateway|lines] [options]`
const BENCHMARKS = {
  compare: () => import('./compare/run.ts'),
  full: () => import('./compare/full.ts'),
  instructions: () => import('./instructions/run.ts'),
  main: () => import('./main-job.ts'),
  decision: () => import('./decision.ts'),
  durability: () => import('./durability.ts'),
  registry: () => import('./registry.ts'),
  backlog: () => import('./backlog.ts'),
  file: () => import('./file.ts'),
  guide: () => import('./guide.ts'),
  http: () => import('./http-pools.ts'),
  gateway: () => import('./gateway.ts'),
  lines: () => import('./lines.ts'),
} as const

const named = process.argv[2]
const isNamed = named !== undefined && !named.startsWith('-')
const name = isNamed ? named : 'compare'
if (Object.hasOwn(BENCHMARKS, name)) {
  // Each reads its options as if it had been started itself.
  if (isNamed) process.argv.splice(2, 1)
  await BENCHMARKS[name as keyof typeof BENCHMARKS]()
} else {
  process.stderr.write(`there is no benchmark ${name}: ${Object.keys(BENCHMARKS).join(', ')}\n`)
  process.exitCode = 1
}
