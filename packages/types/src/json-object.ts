import * as z from 'zod'

/** A JSON object: neither null nor an array. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Payloads, outputs and metadata: objects whose inside is nobody's business here. They are handed on as they are and
 * not copied key by key as `z.record` does: a copy costs time and loses a key named `__proto__`.
 */
export const jsonObjectSchema = z
  .custom<Record<string, unknown>>(isJsonObject, 'must be an object')
  .meta({ type: 'object' })
