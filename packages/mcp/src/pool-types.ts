// What pool_spawn may make, as the operator has configured it: a caller names a type, and nothing of what is in it.
import { readFileSync } from 'node:fs'
import {
  endpointSchema,
  isJsonObject,
  jobTemplateSchema,
  MAX_CAPABILITIES,
  PoolmeshError,
  wordsOf,
} from '@poolmesh/types'
import * as z from 'zod'

const processTypeSchema = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  /** Names of variables that go along; PATH, HOME and those of NATS always do. */
  env: z.array(z.string()).default([]),
})
export type ProcessType = z.output<typeof processTypeSchema>

const kubernetesTypeSchema = z.strictObject({
  kubernetes: jobTemplateSchema,
  endpoint: endpointSchema,
  capabilities: z.array(z.string()).max(MAX_CAPABILITIES).default([]),
  region: z.string().nullable().default(null),
})
export type KubernetesType = z.output<typeof kubernetesTypeSchema>

/** Told apart by what only one of them has, so that what is wrong is said of that one. */
const typeSchema = z.unknown().transform((value, context): ProcessType | KubernetesType => {
  const isKubernetes = isJsonObject(value) && 'kubernetes' in value
  const parsed = (isKubernetes ? kubernetesTypeSchema : processTypeSchema).safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues)
    context.addIssue({ code: 'custom', path: issue.path, message: wordsOf(issue) })
  return z.NEVER
})

const typesSchema = z.record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), typeSchema)
export type PoolTypes = z.output<typeof typesSchema>

/** @throws PoolmeshError INVALID_SETTING where the file cannot be read or says something else */
export function readPoolTypes(path: string | undefined): PoolTypes {
  if (path === undefined) return {}
  try {
    return typesSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new PoolmeshError('INVALID_SETTING', `the file of pool types ${path} cannot be used: ${why}`, [
      { path: 'POOLMESH_SPAWN_FILE', message: 'must name a JSON file of pool types' },
    ])
  }
}

/** @throws PoolmeshError NOT_FOUND for a type that is not configured */
export function requireType(types: PoolTypes, name: string): ProcessType | KubernetesType {
  const type = Object.hasOwn(types, name) ? types[name] : undefined
  if (type) return type
  const known = Object.keys(types).join(', ') || 'none: the setting spawn_file names no file'
  throw new PoolmeshError('NOT_FOUND', `there is no pool type ${name}; configured are: ${known}`)
}
