// The Job template of a pool, read from its descriptor.
import { issuesOf, type JobTemplate, jobTemplateSchema, type PoolDescriptor } from '@poolmesh/types'

export type ReadTemplate = { ok: true; template: JobTemplate } | { ok: false; problem: string }

/** Read once for each registration: descriptors are not changed in place. */
const read = new WeakMap<object, ReadTemplate>()

/** The Job template of a pool, or what is wrong with it. */
export function templateOf(metadata: PoolDescriptor['metadata']): ReadTemplate {
  const known = read.get(metadata)
  if (known) return known
  const parsed = jobTemplateSchema.safeParse(metadata['kubernetes'] ?? {})
  const result: ReadTemplate = parsed.success
    ? { ok: true, template: parsed.data }
    : {
        ok: false,
        problem: issuesOf(parsed.error)
          .map(({ path, message }) => `metadata.kubernetes${path && `.${path}`}: ${message}`)
          .join('; ')
          .slice(0, 500),
      }
  read.set(metadata, result)
  return result
}
