import { createInterface } from 'node:readline/promises'
import { plain } from '@poolmesh/terminal'
import { PoolmeshError } from '@poolmesh/types'

/**
 * Asks on the terminal before something is lost.
 * @returns whether the answer was yes; everything else is no
 * @throws PoolmeshError INVALID_INPUT where there is nobody to ask
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new PoolmeshError('INVALID_INPUT', 'nobody can be asked here, so nothing was changed: say --yes')
  // The line editor of the terminal itself is enough for a letter, and leaves Ctrl-C as it is.
  using lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  const answer = await Promise.race([lines.question(`${plain(question)} [y/N] `), closed])
  return /^y(es)?$/i.test(answer.trim())
}
