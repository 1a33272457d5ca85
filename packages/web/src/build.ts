// Builds the page where it is absent or older than what it is made of. A build that fails stops nobody: its words are kept.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.url)))
const APP = join(PACKAGE, 'app')
export const DIST = join(PACKAGE, 'dist')
/** Generous: it takes a second or two on a machine that does nothing else. */
const BUILD_MS = 120_000
/** Of the folders that builds are made in, beside the page's own. */
const UNDER_WAY = '.dist-'
/** As often as others may put a page in place while one is. */
const SWAPS = 20
/** Characters of what a failed build said. */
const MAX_SAID = 4_000

export type Built = { kind: 'ready' } | { kind: 'failed'; reason: string }

/**
 * Never rejects. In an image there are no sources, and what was built with it is used as it is. Any number of processes may do
 * it at the same time.
 * @param folder of the page
 * @param build makes it in the folder that it is given, which is not there yet
 */
export async function buildIfNeeded(folder = DIST, build = buildPage): Promise<Built> {
  const index = join(folder, 'index.html')
  try {
    if (!existsSync(APP))
      return existsSync(index) ? { kind: 'ready' } : { kind: 'failed', reason: 'it was not built' }
    const builtAt = (await stat(index).catch(() => null))?.mtimeMs ?? 0
    if (builtAt >= (await newest(APP))) return { kind: 'ready' }
    return await buildAside(folder, build)
  } catch (error) {
    return { kind: 'failed', reason: (error as Error).message }
  }
}

/** @returns when the newest file in the folder was changed, in ms since 1970 */
async function newest(folder: string): Promise<number> {
  let latest = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) latest = Math.max(latest, (await stat(join(entry.parentPath, entry.name))).mtimeMs)
  return latest
}

/** In a folder of its own, which then takes the place of the page's: nobody ever finds half a page there. */
async function buildAside(folder: string, build: typeof buildPage): Promise<Built> {
  const parent = dirname(folder)
  await sweep(parent)
  const aside = await mkdtemp(join(parent, UNDER_WAY))
  try {
    const [made, old] = [join(aside, 'new'), join(aside, 'old')]
    const built = await build(made)
    if (built.kind === 'ready') await swap(made, folder, old)
    return built
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** A folder with something in it cannot be replaced in one step: what is there is moved away first. */
async function swap(made: string, folder: string, old: string): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      await rename(made, folder)
      return
    } catch (error) {
      if (i === SWAPS || !isTaken(error)) throw error
    }
    // Somebody else may have moved it.
    await rename(folder, `${old}-${i}`).catch(() => {})
  }
}

const isTaken = (error: unknown): boolean =>
  ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')

/** What builds left behind that were killed. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const left = join(parent, name)
    const since = name.startsWith(UNDER_WAY) && (await stat(left).catch(() => null))?.mtimeMs
    if (since && Date.now() - since > 2 * BUILD_MS) await rm(left, { recursive: true, force: true })
  }
}

/** In a process of its own: the bundler's memory goes with it, and nothing that it does can end the gateway. */
function buildPage(target: string): Promise<Built> {
  const manifest = createRequire(join(PACKAGE, 'package.json')).resolve('vite/package.json')
  const command = join(dirname(manifest), 'bin', 'vite.js')
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [command, 'build', APP, '--outDir', target, '--emptyOutDir', '--logLevel', 'warn'],
      { cwd: PACKAGE, timeout: BUILD_MS, env: { ...process.env, NODE_ENV: 'production', NO_COLOR: '1' } },
      (error, out, said) =>
        resolve(
          error === null
            ? { kind: 'ready' }
            : { kind: 'failed', reason: `${said}${out}`.trim().slice(0, MAX_SAID) || error.message },
        ),
    )
  })
}
