// Files that tasks may name: below one folder, and nothing hidden.
import { readFile, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, normalize, relative, sep } from 'node:path'
import { MAX_PAYLOAD_BYTES, PoolmeshError } from '@poolmesh/types'

/** EXAMPLE_ROOT, else the folder that contains `examples`: the project's own documents are there to work on. */
export const rootFolder = (): string =>
  process.env['EXAMPLE_ROOT'] ?? join(import.meta.dirname, '..', '..', '..')

const refuse = (path: string, why: string): PoolmeshError =>
  new PoolmeshError('INVALID_INPUT', `the path ${JSON.stringify(path)} ${why}`, [
    { path: 'path', message: why },
  ])

/**
 * The real path of a file below `root`; links that lead out of it are followed and refused.
 * @throws PoolmeshError INVALID_INPUT for a path that leads elsewhere, to hidden or to large files; NOT_FOUND
 */
export async function fileUnder(root: string, path: string): Promise<string> {
  const wanted = normalize(path)
  if (path.includes('\0') || isAbsolute(wanted) || wanted.split(sep).some((part) => part.startsWith('.')))
    throw refuse(path, 'must be relative, stay below the folder of the pool, and name nothing hidden')
  const file = await realpath(join(root, wanted)).catch(() => {
    throw new PoolmeshError('NOT_FOUND', `there is no file ${JSON.stringify(path)}`)
  })
  const inside = relative(await realpath(root), file)
  if (isAbsolute(inside) || inside.split(sep).some((part) => part.startsWith('.')))
    throw refuse(path, 'leads out of the folder of the pool')
  const info = await stat(file)
  if (!info.isFile()) throw refuse(path, 'is not a file')
  if (info.size > MAX_PAYLOAD_BYTES) throw refuse(path, `has ${info.size} bytes, too many for this pool`)
  return file
}

/** What a payload gives to work on: text itself, or a file below the root. */
export type Source = { text: string } | { path: string }

export async function readText(root: string, source: Source, signal: AbortSignal): Promise<string> {
  if ('text' in source) return source.text
  return await readFile(await fileUnder(root, source.path), { encoding: 'utf8', signal })
}
