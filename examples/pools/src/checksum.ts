// SHA-256, which both pools can do: the same task on either has the same output.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { validate } from '@poolmesh/types'
import type { HandlerContext } from '@poolmesh/worker'
import * as z from 'zod'
import { fileUnder } from './files.ts'
import { sourceFields, sourceOf } from './payload.ts'

const MAX_PATHS = 1_000

const payloadSchema = z.looseObject({
  ...sourceFields,
  /** Several files at once. */
  paths: z.array(z.string()).min(1).max(MAX_PATHS).optional(),
})

export interface Checksum {
  /** Lower-case hex. */
  sha256: string
  bytes: number
}

/**
 * Of `text` (its UTF-8 bytes) or of the file at `path`: `{sha256, bytes}`. Of `paths`: `{files: [{path, sha256, bytes}]}`.
 */
export async function checksum(
  root: string,
  payload: unknown,
  context: Pick<HandlerContext, 'signal' | 'progress'>,
): Promise<Checksum | { files: ({ path: string } & Checksum)[] }> {
  const { paths, ...rest } = validate(payloadSchema, payload, 'the payload')
  if (!paths) {
    const source = sourceOf(rest)
    return 'text' in source ? ofText(source.text) : await ofFile(root, source.path, context.signal)
  }
  const files: ({ path: string } & Checksum)[] = []
  for (const path of paths) {
    files.push({ path, ...(await ofFile(root, path, context.signal)) })
    context.progress(files.length / paths.length, path)
  }
  return { files }
}

function ofText(text: string): Checksum {
  return { sha256: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) }
}

/** Read in pieces: a file of any size needs little memory, and a cancelled task stops at once. */
async function ofFile(root: string, path: string, signal: AbortSignal): Promise<Checksum> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(await fileUnder(root, path), { signal })) {
    hash.update(chunk)
    bytes += (chunk as Buffer).length
  }
  return { sha256: hash.digest('hex'), bytes }
}
