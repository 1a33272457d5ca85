import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

/** The folder that everything is started from: the repository's root. */
export const ROOT = join(import.meta.dirname, '..', '..', '..')

/**
 * Keeps stripped and compiled sources between starts, which halves the time that a process takes to load its modules.
 * Inside node_modules, where nobody else writes, rather than in the machine's folder for temporary files.
 */
export const keepCompiled = (): void => {
  enableCompileCache(join(ROOT, 'node_modules', '.cache', 'compiled'))
}
