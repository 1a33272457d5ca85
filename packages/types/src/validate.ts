import type * as z from 'zod'
import { type Issue, PoolmeshError } from './errors.ts'
import { wordsOf } from './issue-words.ts'
import { isJsonObject } from './json-object.ts'

/**
 * How deep JSON may be nested. Parsing takes any depth, but printing again and walking through are recursive: some
 * thousand levels would end the process that prints them.
 */
export const MAX_JSON_DEPTH = 500

/** Parses JSON, or throws INVALID_JSON with what was wrong; INVALID_INPUT when it is nested too deep. */
export function parseJson(text: string, what: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PoolmeshError('INVALID_JSON', `${what} is not JSON: ${(cause as Error).message}`)
  }
  if (isTooDeep(text)) {
    const message = `is nested deeper than ${MAX_JSON_DEPTH} levels`
    throw new PoolmeshError('INVALID_INPUT', `${what} ${message}`, [{ path: '', message }])
  }
  return value
}

/** Counts brackets outside of strings: what is short cannot be deep, and strings are skipped by the engine's search. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * MAX_JSON_DEPTH) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (character === QUOTE) i = endOfString(text, i)
    else if (character === BRACE || character === BRACKET) {
      if (++depth > MAX_JSON_DEPTH) return true
    } else if (character === END_BRACE || character === END_BRACKET) depth--
  }
  return false
}

const [QUOTE, BACKSLASH, BRACE, END_BRACE, BRACKET, END_BRACKET] = [
  0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d,
] as const

/** The closing quote: one that an even number of backslashes stands before. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}

export const issuesOf = (error: z.ZodError): Issue[] =>
  error.issues
    .slice(0, 20)
    .map((issue) => ({ path: issue.path.map(String).join('.'), message: wordsOf(issue) }))

/** INVALID_INPUT with a path into the input for each fault. @param what names the input in the message: `the task` */
export function invalidInput(error: z.ZodError, what: string): PoolmeshError {
  const issues = issuesOf(error)
  const first = issues[0]
  const where = first?.path ? ` at ${first.path}` : ''
  return new PoolmeshError(
    'INVALID_INPUT',
    `${what} is not valid${where}: ${first?.message ?? 'unknown fault'}`,
    issues,
  )
}

/**
 * zod leaves a key named `__proto__` out of what it returns. It is a field that we do not know, like any other, and
 * those are kept. It stays an own property: the prototype of `parsed` does not change.
 */
export function keepProto<Parsed>(input: unknown, parsed: Parsed): Parsed {
  const own = Object.getOwnPropertyDescriptor(Object(input), '__proto__')
  if (own && isJsonObject(parsed)) Object.defineProperty(parsed, '__proto__', own)
  return parsed
}

/** The value with its defaults filled in, or throws INVALID_INPUT with a path into the input for each fault. */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return keepProto(value, parsed.data)
  throw invalidInput(parsed.error, what)
}
