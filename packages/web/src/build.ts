// Builds the page where it is absent or older than what it is made of. A build that fails stops nobody: its words are kept.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.url)))
const APP = join(PACKAGE, 'app')
export const DIST = join(PACKAGE, 'dist')
const INDEX = join(DIST, 'index.html')
/** Generous: it takes a second or two on a machine that does nothing else. */
const BUILD_MS = 120_000
/** Characters of what a failed build said. */
const MAX_SAID = 4_000

export type Built = { kind: 'ready' } | { kind: 'failed'; reason: string }

/** Never rejects. In an image there are no sources, and what was built with it is used as it is. */
export async function buildIfNeeded(): Promise<Built> {
  try {
    if (!existsSync(APP))
      return existsSync(INDEX) ? { kind: 'ready' } : { kind: 'failed', reason: 'it was not built' }
    if (existsSync(INDEX) && (await newest(APP)) <= (await stat(INDEX)).mtimeMs) return { kind: 'ready' }
    return await build()
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

/** In a process of its own: the bundler's memory goes with it, and nothing that it does can end the gateway. */
function build(): Promise<Built> {
  const manifest = createRequire(join(PACKAGE, 'package.json')).resolve('vite/package.json')
  const command = join(dirname(manifest), 'bin', 'vite.js')
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [command, 'build', APP, '--logLevel', 'warn'],
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
