// The package.json that is published: the workspace's, with what `publishConfig` says, and with the dependencies that the
// built code really has.
import { builtinModules } from 'node:module'
import type { PublishedPackage } from './packages.ts'

export interface Manifest {
  name: string
  version: string
  description?: string
  private?: boolean
  bin?: Record<string, string>
  exports?: unknown
  engines?: Record<string, string>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  publishConfig?: Record<string, unknown>
  [field: string]: unknown
}

/**
 * @param imported packages that the built code names
 * @param versionOf the version of a package in the workspace, exact
 * @throws Error when `publishConfig` is missing: the package is not meant to be published
 */
export function publishedManifest(
  source: Manifest,
  wanted: PublishedPackage,
  imported: ReadonlySet<string>,
  versionOf: (name: string) => string,
): Manifest {
  const { publishConfig } = source
  if (!publishConfig) throw new Error(`${source.name} has no publishConfig, so it is not published`)
  const { dependencies: _, devDependencies: __, optionalDependencies: ___, private: ____, ...kept } = source
  const { access, exports, bin, engines } = publishConfig
  const manifest: Manifest = { ...kept, publishConfig: { access } }
  for (const [field, value] of Object.entries({ exports, bin, engines }))
    if (value !== undefined) manifest[field] = value
  const peers = new Set(wanted.optionalPeers)
  const optional = new Set(wanted.optional)
  const leftOut = new Set(wanted.leftOut)
  const needed = [...imported].filter(
    (name) => !builtinModules.includes(name) && !peers.has(name) && !optional.has(name) && !leftOut.has(name),
  )
  const ranges = (names: Iterable<string>): Record<string, string> =>
    Object.fromEntries([...new Set(names)].sort().map((name) => [name, rangeOf(versionOf(name))]))
  manifest.dependencies = ranges(needed)
  if (optional.size > 0) manifest.optionalDependencies = ranges(optional)
  if (peers.size > 0) {
    manifest['peerDependencies'] = ranges(peers)
    manifest['peerDependenciesMeta'] = Object.fromEntries(
      [...peers].map((name) => [name, { optional: true }]),
    )
  }
  manifest['files'] = ['dist']
  manifest['sideEffects'] = false
  return manifest
}

/** Newer ones that promise to be compatible; of what promises nothing (0.x, a pre-release) just this one. */
function rangeOf(version: string): string {
  return /^[1-9]\d*\.\d+\.\d+$/.test(version) ? `^${version}` : version
}
