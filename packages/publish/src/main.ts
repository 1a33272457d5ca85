// `npm run build`: what can be published, below `dist/`: a folder and a tarball for each package.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackage } from './build.ts'
import { type Manifest, publishedManifest } from './manifest.ts'
import { PUBLISHED } from './packages.ts'
import { readWorkspace } from './workspace.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const TARGET = join(ROOT, 'dist')

const workspace = readWorkspace(ROOT)
const published = new Set(PUBLISHED.map(({ folder }) => workspace.nameOf(folder)))
/** Of the workspace, and not published: inside those that need them. */
const internal = new Set(workspace.names().filter((name) => !published.has(name)))

rmSync(TARGET, { recursive: true, force: true })
for (const wanted of PUBLISHED) {
  const source = JSON.parse(readFileSync(join(ROOT, wanted.folder, 'package.json'), 'utf8')) as Manifest
  const stage = join(TARGET, basename(wanted.folder))
  mkdirSync(stage, { recursive: true })
  const imported = await buildPackage(ROOT, wanted, internal, join(stage, 'dist'))
  const manifest = publishedManifest(source, wanted, imported, (name) => workspace.versionOf(name))
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  cpSync(join(ROOT, 'LICENSE'), join(stage, 'LICENSE'))
  const readme = join(ROOT, wanted.folder, 'README.md')
  if (existsSync(readme)) cpSync(readme, join(stage, 'README.md'))
  // Without scripts and without asking any registry: only files are put together.
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', TARGET],
    { cwd: stage },
  )
  const [packed] = JSON.parse(stdout) as [{ filename: string; size: number; entryCount: number }]
  process.stdout.write(
    `${source.name.padEnd(16)} ${(packed.size / 1024).toFixed(0).padStart(5)} KB  ${packed.entryCount} files  dist/${packed.filename}\n`,
  )
}
