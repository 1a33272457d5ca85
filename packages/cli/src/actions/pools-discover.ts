import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { ListOptions } from '../options.ts'
import { print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatAnswer } from '../views/answer.ts'
import { discoveryOf } from '../views/pools.ts'

/** @param endpoints none: those of the registry's settings */
export async function discoverPools(endpoints: string[], options: ListOptions): Promise<ExitCode> {
  const reply = await withSystem(options, ({ registry }) =>
    registry.discoverPools(endpoints.length === 0 ? undefined : endpoints),
  )
  if (options.format === 'json') printJson(reply)
  else print(formatAnswer(discoveryOf(reply), options.format, terminalWidth()))
  return reply.failed.length > 0 ? EXIT.notCompleted : EXIT.done
}
