// What the packages of the workspace say of themselves, and which versions it uses of others.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest } from './manifest.ts'

interface Workspace {
  names(): string[]
  /** @param folder below the root */
  nameOf(folder: string): string
  /** @throws Error when no package of the workspace depends on it */
  versionOf(name: string): string
}

export function readWorkspace(root: string): Workspace {
  const manifests = new Map<string, Manifest>()
  for (const group of ['packages', 'services', 'examples'])
    for (const entry of readdirSync(join(root, group))) {
      const file = join(root, group, entry, 'package.json')
      if (existsSync(file))
        manifests.set(`${group}/${entry}`, JSON.parse(readFileSync(file, 'utf8')) as Manifest)
    }
  const versionOf = (name: string): string => {
    for (const [folder, manifest] of manifests) {
      if (manifest.name === name) return manifest.version
      const { dependencies, optionalDependencies } = manifest
      if (!dependencies?.[name] && !optionalDependencies?.[name]) continue
      // What is installed, and not what is asked for: that may be `catalog:`.
      const installed = join(root, folder, 'node_modules', name, 'package.json')
      if (existsSync(installed)) return (JSON.parse(readFileSync(installed, 'utf8')) as Manifest).version
      const asked = dependencies?.[name] ?? optionalDependencies?.[name]
      if (asked && /^\d/.test(asked)) return asked
    }
    throw new Error(`no package of the workspace depends on ${name}: no version of it is known`)
  }
  return {
    names: () => [...manifests.values()].map(({ name }) => name),
    nameOf: (folder) => manifests.get(folder)?.name ?? '',
    versionOf,
  }
}
