// What a command answers goes to standard output; what it says beside that, to standard error.
import { formatFields, plain, wrap } from '@poolmesh/terminal'

export const print = (text: string): void => {
  process.stdout.write(text)
}

/** A sentence, in lines that the terminal has room for. */
export const say = (sentence: string): void => print(`${wrap(sentence, terminalWidth())}\n`)

/** For machines: one object, on one line. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** For people, beside the answer. */
export const notice = (line: string): void => {
  const width = process.stderr.isTTY ? process.stderr.columns : undefined
  process.stderr.write(`${wrap(`poolmesh: ${plain(line)}`, width)}\n`)
}

/** Columns to lay tables out for: a pipe has as many as are wanted. */
export const terminalWidth = (): number | undefined =>
  process.stdout.isTTY ? process.stdout.columns : undefined

/** A reader that has had enough, such as `head`, is no failure. */
export function endQuietlyWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
}

/** Names with their values, for the terminal that there is. */
export const showFields = (fields: Parameters<typeof formatFields>[0]): string =>
  formatFields(fields, terminalWidth())
