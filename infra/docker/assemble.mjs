// Run while an image is built: lays out one service with what it needs, and nothing else, as it lies in the
// repository. Sources stay outside node_modules, because Node strips no types inside it.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const [service, target] = process.argv.slice(2)
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** Folder of each package of the workspace, by its name. */
const folders = new Map(
  ['packages', 'services']
    .flatMap((group) => readdirSync(group).map((name) => join(group, name)))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => [read(join(folder, 'package.json')).name, folder]),
)

/** The package and the packages of the workspace that it needs. */
function closure(name, found = new Set()) {
  if (found.has(name)) return found
  found.add(name)
  const { dependencies = {} } = read(join(folders.get(name), 'package.json'))
  for (const [needed, range] of Object.entries(dependencies))
    if (range.startsWith('workspace:')) closure(needed, found)
  return found
}

/** A source and those that it imports from its own folder. */
function sources(file, found = new Set()) {
  if (found.has(file)) return found
  found.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()'(\.\/[^']+)'/g))
    sources(join(dirname(file), path), found)
  return found
}

const copy = (path) => cpSync(path, join(target, path), { recursive: true, verbatimSymlinks: true })

// Whoever starts a service serves its metrics and tells its traces.
const packages = closure(`@poolmesh/${service}`)
for (const name of ['@poolmesh/metrics', '@poolmesh/tracing']) closure(name, packages)
copy(join('node_modules', '.pnpm'))
for (const name of packages)
  for (const part of ['package.json', 'src', 'node_modules']) {
    const path = join(folders.get(name), part)
    if (existsSync(path)) copy(path)
  }
// The page as it was built: in an image there is nothing that could build it.
if (packages.has('@poolmesh/web')) copy(join(folders.get('@poolmesh/web'), 'dist'))

// Of `up`, which starts services, what starts one: its other services and their dependencies stay out.
const up = join('services', 'up')
copy(join(up, 'package.json'))
for (const file of sources(join(up, 'src', 'service.ts'))) copy(file)
cpSync(join('infra', 'docker', 'healthcheck.mjs'), join(target, up, 'healthcheck.mjs'))
const links = join(target, up, 'node_modules', '@poolmesh')
mkdirSync(links, { recursive: true })
for (const name of packages)
  symlinkSync(relative(links, join(target, folders.get(name))), join(links, name.slice('@poolmesh/'.length)))

// Started once where nothing answers: it loads everything, which proves that nothing is missing, and leaves the
// compiled sources behind, which a read-only file system could not keep later.
const env = { ...process.env, NATS_URL: 'nats://127.0.0.1:1', NODE_ENV: 'production', SERVICE: service }
for (const [file, pattern] of [
  ['services/up/src/service.ts', /^poolmesh: no NATS server answers/],
  ['services/up/healthcheck.mjs', /^unhealthy: no NATS server answers/],
]) {
  const { stderr, status } = spawnSync(process.execPath, [file, service], {
    cwd: target,
    env,
    encoding: 'utf8',
  })
  if (status === 0 || !pattern.test(stderr))
    throw new Error(`${file} of ${service} cannot be loaded: ${stderr}`)
}
