// Text that others wrote, made harmless for a terminal: names, errors and outputs come from anywhere.

/** What moves the cursor, starts an escape sequence or turns the direction of reading; tabs and line ends are fine. */
const UNPRINTABLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** The same text, with `\u{1b}` for what a terminal would obey instead of show. */
export const plain = (text: string): string =>
  text.replace(UNPRINTABLE, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )

/** The same on one line: runs of white space are one space. */
export const oneLine = (text: string): string => plain(text.replace(/\s+/g, ' ').trim())
