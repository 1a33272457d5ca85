import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { CommonOptions } from '../options.ts'
import { print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatPool } from '../views/pools.ts'

export async function getPool(name: string, options: CommonOptions): Promise<ExitCode> {
  const pool = await withSystem(options, ({ registry }) => registry.getPoolStatus(name))
  if (options.json) printJson(pool)
  else print(formatPool(pool))
  return EXIT.done
}
