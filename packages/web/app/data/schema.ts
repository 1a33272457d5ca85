// Checks a value by the JSON Schema of a task, as the gateway tells it: the same rules that the bus has, without its library.

export interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
  items?: Schema
  minItems?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  default?: unknown
  description?: string
}
export interface Wrong {
  path: string
  message: string
}

/** Deeper than any schema of ours, and an end to those that refer to themselves. */
const MAX_DEPTH = 32

export type Resolve = (ref: string) => Schema | undefined

/** `#/components/schemas/x` in a document. */
export const resolver =
  (document: unknown): Resolve =>
  (ref) => {
    let at: unknown = document
    for (const key of ref.replace(/^#\//, '').split('/'))
      at =
        typeof at === 'object' && at !== null && Object.hasOwn(at, key)
          ? (at as Record<string, unknown>)[key]
          : undefined
    return at as Schema | undefined
  }

/** What is wrong with a value, and where; empty: nothing. */
export function check(given: Schema, value: unknown, resolve: Resolve, path = '', depth = 0): Wrong[] {
  const schema = followed(given, resolve)
  if (depth > MAX_DEPTH || schema === undefined) return []
  const say = (message: string): Wrong[] => [{ path, message }]
  const choices = schema.anyOf ?? schema.oneOf
  if (choices && !choices.some((one) => check(one, value, resolve, path, depth + 1).length === 0)) {
    const nearest = choices
      .map((one) => check(one, value, resolve, path, depth + 1))
      .find((found) => found.every((w) => w.message !== TYPE))
    return nearest ?? say('is none of the forms that are allowed')
  }
  if (schema.const !== undefined && value !== schema.const)
    return say(`must be ${JSON.stringify(schema.const)}`)
  if (schema.enum && !schema.enum.includes(value)) return say(`must be one of ${schema.enum.join(', ')}`)
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(type, value))) return say(TYPE)
  if (schema.not && check(schema.not, value, resolve, path, depth + 1).length === 0)
    return say('has fields that cannot go together')
  if (typeof value === 'string') return ofText(schema, value).flatMap(say)
  if (typeof value === 'number') return ofNumber(schema, value).flatMap(say)
  if (Array.isArray(value)) return ofList(schema, value, resolve, path, depth)
  if (typeof value === 'object' && value !== null)
    return ofObject(schema, value as Record<string, unknown>, resolve, path, depth)
  return []
}

const TYPE = 'is not of the right type'

export const followed = (schema: Schema, resolve: Resolve): Schema | undefined =>
  schema.$ref === undefined ? schema : resolve(schema.$ref)

function isOf(type: string, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

function ofText(schema: Schema, value: string): string[] {
  // As JSON Schema counts: characters and not their halves.
  const length = [...value].length
  if (schema.minLength !== undefined && length < schema.minLength)
    return [length === 0 ? 'is missing' : `must have ${schema.minLength} characters or more`]
  if (schema.maxLength !== undefined && length > schema.maxLength)
    return [`must have ${schema.maxLength} characters or fewer`]
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value)))
    return ['must be a time such as 2030-01-31T12:00:00Z']
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
    return ['has characters that are not allowed, or is too long']
  return []
}

function ofNumber({ minimum, maximum }: Schema, value: number): string[] {
  if (minimum !== undefined && value < minimum) return [`must be ${minimum} or more`]
  if (maximum !== undefined && value > maximum) return [`must be ${maximum} or less`]
  return []
}

function ofList(schema: Schema, value: unknown[], resolve: Resolve, path: string, depth: number): Wrong[] {
  if (schema.minItems !== undefined && value.length < schema.minItems)
    return [{ path, message: `must have ${schema.minItems} or more` }]
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    return [{ path, message: `must have ${schema.maxItems} or fewer` }]
  const { items } = schema
  return items
    ? value.flatMap((one, index) =>
        check(items, one, resolve, `${path}.${index}`.replace(/^\./, ''), depth + 1),
      )
    : []
}

function ofObject(
  schema: Schema,
  value: Record<string, unknown>,
  resolve: Resolve,
  path: string,
  depth: number,
): Wrong[] {
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`)
  const missing = (schema.required ?? [])
    .filter((key) => value[key] === undefined)
    .map((key) => ({ path: at(key), message: 'is missing' }))
  const wrong = Object.entries(schema.properties ?? {})
    .filter(([key]) => Object.hasOwn(value, key) && value[key] !== undefined)
    .flatMap(([key, property]) => check(property, value[key], resolve, at(key), depth + 1))
  return [...missing, ...wrong]
}
