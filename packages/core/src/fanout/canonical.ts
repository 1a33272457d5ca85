// Equal outputs are found by their canonical JSON, as RFC 8785 has it: keys sorted by UTF-16 code units, no white space,
// numbers and strings as ECMAScript prints them.
import { createHash } from 'node:crypto'

/** A piece of text, or a value that is still to be printed. Wrapped, so that a string value is told from text. */
type Pending = { text: string } | { value: unknown }

/**
 * The canonical JSON of a value that came out of JSON.parse. Without recursion, since what a pool answers may be nested
 * deeper than the stack is high. Undefined members are left out and undefined items are null, as JSON.stringify has it.
 */
export function canonicalJson(root: unknown): string {
  const parts: string[] = []
  const pending: Pending[] = [{ value: root }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    if ('text' in next) parts.push(next.text)
    else if (Array.isArray(next.value)) pushArray(next.value, pending)
    else if (typeof next.value === 'object' && next.value !== null) pushObject(next.value, pending)
    else parts.push(JSON.stringify(next.value) ?? 'null')
  }
  return parts.join('')
}

// Both push backwards: what is pushed last is printed first.

function pushArray(items: unknown[], pending: Pending[]): void {
  pending.push({ text: ']' })
  for (let i = items.length - 1; i >= 0; i--) pending.push({ value: items[i] }, { text: i === 0 ? '[' : ',' })
  if (items.length === 0) pending.push({ text: '[' })
}

function pushObject(object: object, pending: Pending[]): void {
  const members = Object.entries(object).filter(([, value]) => value !== undefined)
  // The default order of JavaScript's `<` is that of UTF-16 code units.
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  pending.push({ text: '}' })
  for (const [i, [key, value]] of [...members.entries()].reverse())
    pending.push({ value }, { text: `${i === 0 ? '{' : ','}${JSON.stringify(key)}:` })
  if (members.length === 0) pending.push({ text: '{' })
}

/** What stands for an output in a comparison: 43 characters, however large the output is. */
export const outputDigest = (output: unknown): string =>
  createHash('sha256').update(canonicalJson(output)).digest('base64url')
