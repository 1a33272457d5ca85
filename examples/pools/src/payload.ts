import { PoolmeshError } from '@poolmesh/types'
import * as z from 'zod'
import type { Source } from './files.ts'

const path = z.string().min(1).max(4_096)

/** Either `text` or `path`. */
export const sourceFields = { text: z.string().optional(), path: path.optional() }

/** @throws PoolmeshError INVALID_INPUT unless exactly one of the two is there */
export function sourceOf(payload: { text?: string | undefined; path?: string | undefined }): Source {
  if (payload.text !== undefined && payload.path === undefined) return { text: payload.text }
  if (payload.path !== undefined && payload.text === undefined) return { path: payload.path }
  throw new PoolmeshError('INVALID_INPUT', 'the payload needs either `text` or `path`, the path of a file')
}
