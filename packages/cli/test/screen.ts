// What a terminal shows of what was written to it.
import headless from '@xterm/headless'

const ROWS = 24
/** More than any command prints. */
const SCROLLBACK = 10_000

/**
 * Every line, those that have scrolled away too, once all was obeyed that moves the cursor.
 * @param whole lines that are longer than the terminal is wide are in one piece
 */
export async function shownBy(written: string, columns: number, { whole = false } = {}): Promise<string> {
  const terminal = new headless.Terminal({
    cols: columns,
    rows: ROWS,
    scrollback: SCROLLBACK,
    allowProposedApi: true,
  })
  await new Promise<void>((resolve) => terminal.write(written, resolve))
  const buffer = terminal.buffer.active
  const lines: string[] = []
  for (let i = 0; i < buffer.length; i++) {
    const line = buffer.getLine(i)
    const text = line?.translateToString(true) ?? ''
    if (whole && line?.isWrapped) lines.push((lines.pop() ?? '') + text)
    else lines.push(text)
  }
  terminal.dispose()
  return `${lines.join('\n').trimEnd()}\n`
}
