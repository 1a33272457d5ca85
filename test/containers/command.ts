// A command of Docker's, run to its end.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const ROOT = join(import.meta.dirname, '..', '..')
const execute = promisify(execFile)

/** @returns what it printed. @throws with what it said when it failed or is not there */
export async function command(
  name: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { stdout } = await execute(name, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout.trim()
}
