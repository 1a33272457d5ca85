import stringWidth from 'string-width'

/**
 * The text in lines that end between words; a word that is wider than a line is left to the terminal.
 * @param width columns of the terminal; undefined: it stays one line
 * @param indent before every line but the first
 */
export function wrap(text: string, width: number | undefined, indent = ''): string {
  if (width === undefined) return text
  const lines: string[] = []
  const [first = '', ...words] = text.split(' ')
  let line = first
  for (const word of words) {
    // The last column stays free: some terminals begin a new line once it is written.
    if (line.trim() !== '' && stringWidth(`${line} ${word}`) >= width) {
      lines.push(line)
      line = indent + word
    } else line += ` ${word}`
  }
  return [...lines, line].join('\n')
}
