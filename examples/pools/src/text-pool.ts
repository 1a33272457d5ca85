import { validate } from '@poolmesh/types'
import type { PoolDefinition } from '@poolmesh/worker'
import * as z from 'zod'
import { checksum } from './checksum.ts'
import { defineExamplePool, type ExamplePoolOptions, type Tasks } from './example-pool.ts'
import { readText, rootFolder } from './files.ts'
import { sourceFields, sourceOf } from './payload.ts'
import { readability } from './readability.ts'
import { countWords } from './words.ts'

const wordsSchema = z.looseObject({ ...sourceFields, top: z.int().min(0).max(1_000).default(10) })
const textSchema = z.looseObject(sourceFields)

/**
 * Works on texts. The task type says what is done: `text.words` (`{top}` of the most frequent words), `text.readability`,
 * `hash.sha256` or `checksum`. The payload has `text`, or `path` to a file.
 */
export function defineTextPool(options: ExamplePoolOptions = {}): PoolDefinition {
  const root = options.root ?? rootFolder()
  const tasks: Tasks = {
    'text.words': async (payload, { signal }) => {
      const wanted = validate(wordsSchema, payload, 'the payload')
      return countWords(await readText(root, sourceOf(wanted), signal), wanted.top)
    },
    'text.readability': async (payload, { signal }) =>
      readability(await readText(root, sourceOf(validate(textSchema, payload, 'the payload')), signal)),
    'hash.sha256': (payload, context) => checksum(root, payload, context),
    checksum: (payload, context) => checksum(root, payload, context),
  }
  return defineExamplePool('text-pool', ['text'], tasks, options)
}

export const textPool: PoolDefinition = defineTextPool()
