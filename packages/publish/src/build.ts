// One package: JavaScript modules with source maps and declarations, of the sources that the workspace runs as they are.
import { join } from 'node:path'
import { build } from 'tsdown'
import type { PublishedPackage } from './packages.ts'

/** The oldest Node that the code is written down to; newer syntax is spelled out. */
const TARGET = 'node20.11'
const STAND_INS = join(import.meta.dirname, 'stand-ins.ts')

/** `@scope/name` or `name` of what is imported; null for a file or a module of Node. */
function packageOf(specifier: string): string | null {
  if (/^(\.|\/|\w:[\\/]|node:|#|\0)/.test(specifier)) return null
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? null
}

/**
 * @param internal packages of the workspace that come inside
 * @param outDir where the files come to
 * @returns the packages that the code names
 */
export async function buildPackage(
  root: string,
  wanted: PublishedPackage,
  internal: ReadonlySet<string>,
  outDir: string,
): Promise<ReadonlySet<string>> {
  const imported = new Set<string>()
  const inside = (specifier: string): boolean => {
    const name = packageOf(specifier)
    if (name !== null && wanted.leftOut?.includes(name)) return false
    // The last: how newer syntax is spelled out, which the bundler brings along.
    return (
      name === null ||
      internal.has(name) ||
      name === '@oxc-project/runtime' ||
      (wanted.inside?.includes(name) ?? false)
    )
  }
  const { bundles } = await build({
    config: false,
    cwd: join(root, wanted.folder),
    entry: { ...wanted.entries },
    outDir,
    format: 'esm',
    fixedExtension: false,
    platform: 'node',
    target: TARGET,
    sourcemap: true,
    dts: wanted.declarations ? { sourcemap: false, generator: 'tsc', tsc: { eager: true } } : false,
    tsconfig: join(root, 'tsconfig.json'),
    deps: { alwaysBundle: inside, neverBundle: (specifier) => !inside(specifier), onlyBundle: false },
    inputOptions: (options) => ({
      ...options,
      checks: { ...options.checks, bundlerTimings: false },
      transform: {
        ...options.transform,
        inject: {
          DisposableStack: [STAND_INS, 'DisposableStack'],
          AsyncDisposableStack: [STAND_INS, 'AsyncDisposableStack'],
          'Promise.withResolvers': [STAND_INS, 'withResolvers'],
        },
      },
    }),
    // No module is imported for an effect that it has by itself: what is not used is left out, and is no dependency.
    treeshake: { moduleSideEffects: false },
    logLevel: 'warn',
    clean: true,
    report: false,
  })
  for (const { chunks } of bundles)
    for (const chunk of chunks) {
      if (chunk.type !== 'chunk') continue
      for (const specifier of [...chunk.imports, ...chunk.dynamicImports]) {
        const name = packageOf(specifier)
        if (name !== null && !chunks.some(({ fileName }) => fileName === specifier)) imported.add(name)
      }
      for (const name of wanted.loadedByName ?? []) if (chunk.code.includes(`"${name}"`)) imported.add(name)
    }
  return imported
}
