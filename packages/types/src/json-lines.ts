// Arrays of JSON that begin a line with each item: since JSON has no line break inside a string, the lines are the items, and
// each can be parsed, refused and passed on by itself. To everybody else it is an array like any other.
import { parseJson } from './validate.ts'

const [BRACKET, END_BRACKET, COMMA] = [0x5b, 0x5d, 0x2c] as const

/** The array of the items' texts. */
export const printLines = (texts: readonly string[]): string => `[${texts.join(',\n')}]`

/** Where the next line has to go behind what is printed so far, without the brackets. */
export const LINE_BREAK = ',\n'

/**
 * The items and their texts.
 * @returns null: not an array that is written so, or one of the lines is no JSON or nested too deep
 */
export function parseLines(text: string): { values: unknown[]; texts: string[] } | null {
  if (text.charCodeAt(0) !== BRACKET || text.charCodeAt(text.length - 1) !== END_BRACKET) return null
  const values: unknown[] = []
  const texts: string[] = []
  for (let from = 1; ; ) {
    const end = text.indexOf('\n', from)
    if (end >= 0 && text.charCodeAt(end - 1) !== COMMA) return null
    const line = text.slice(from, end < 0 ? -1 : end - 1)
    try {
      values.push(parseJson(line, 'a line'))
    } catch {
      return null
    }
    texts.push(line)
    if (end < 0) return { values, texts }
    from = end + 1
  }
}
