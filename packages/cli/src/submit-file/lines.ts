// Lines of a stream of bytes, with where each ends, so that somebody can go on behind it.

export interface Line {
  /** From 1. */
  number: number
  /** Null: it is longer than a task may be. */
  text: string | null
  /** Offset of the byte behind it. */
  end: number
}

/** Larger than the largest task. */
const LINE_BYTES = 65 * 1024 ** 2
const NEW_LINE = 10

/**
 * As many lines at a time as a piece of the source has: a promise a line would cost more than the line.
 * @param from where the source begins
 */
export async function* linesOf(
  source: AsyncIterable<Buffer>,
  from: { line: number; offset: number },
): AsyncGenerator<Line[], void, void> {
  let { line: number, offset } = from
  let parts: Buffer[] = []
  let bytes = 0
  const lineOf = (last: Buffer, end: number): Line => {
    const text = bytes + last.length > LINE_BYTES ? null : Buffer.concat([...parts, last]).toString()
    parts = []
    bytes = 0
    return { number: ++number, text, end }
  }
  for await (const piece of source) {
    const lines: Line[] = []
    let start = 0
    for (let at = piece.indexOf(NEW_LINE); at >= 0; at = piece.indexOf(NEW_LINE, start)) {
      lines.push(lineOf(piece.subarray(start, at), offset + at + 1))
      start = at + 1
    }
    const rest = piece.subarray(start)
    bytes += rest.length
    // Of a line that is too long nothing is kept.
    if (bytes > LINE_BYTES) parts = []
    else if (rest.length > 0) parts.push(rest)
    offset += piece.length
    if (lines.length > 0) yield lines
  }
  if (bytes > 0) yield [lineOf(Buffer.alloc(0), offset)]
}
