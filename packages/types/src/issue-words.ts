// What a fault is called where the schema does not say it in words of its own: what the value must be, to be read after its path.
import type * as z from 'zod'

/** How zod begins what it says by itself; all else was written beside the schema, and stays. */
const DEFAULT = /^(Too (small|big): |Invalid |Unrecognized keys?: )/
const TYPES = /^Invalid input: expected (.+), received (.+)$/

/** `timeout`: `must be at least 1`. */
export function wordsOf(issue: z.core.$ZodIssue): string {
  if (!DEFAULT.test(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return ofType(issue.message)
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return ofBound('at least', 'more than', issue.minimum, issue)
    case 'too_big':
      return ofBound('at most', 'less than', issue.maximum, issue)
    case 'invalid_format':
      return issue.message.replace(/^Invalid string: /, '').replace(/^Invalid /, 'must be a valid ')
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'unrecognized_keys':
      return `has what is not known here: ${issue.keys.join(', ')}`
    default:
      return issue.message
  }
}

function ofType(message: string): string {
  const [, expected = '', received = ''] = TYPES.exec(message) ?? []
  if (!expected) return message
  const must = `must be ${withArticle(expected)}`
  if (received === 'undefined') return `is missing: it ${must}`
  const isSaid = received === 'NaN' || (expected === 'int' && received === 'number')
  return isSaid ? must : `${must}, not ${withArticle(received)}`
}

const NAMES: Record<string, string> = {
  int: 'whole number',
  boolean: 'true or false',
  record: 'object',
}
const BARE = new Set(['null', 'true or false', 'Infinity'])

function withArticle(type: string): string {
  const name = NAMES[type] ?? type
  if (BARE.has(name)) return name
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
}

interface Bound {
  origin: string
  inclusive?: boolean
  exact?: boolean
}

function ofBound(inclusive: string, beyond: string, limit: number | bigint, bound: Bound): string {
  const how = bound.exact ? 'exactly' : bound.inclusive === false ? beyond : inclusive
  const unit = { string: 'character', array: 'entry', set: 'entry', map: 'entry', file: 'byte' }[bound.origin]
  if (!unit) return `must be ${how} ${limit}`
  const units = Number(limit) === 1 ? unit : unit === 'entry' ? 'entries' : `${unit}s`
  return `must have ${how} ${limit} ${units}`
}
