import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { CommonOptions } from '../options.ts'
import { print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatDiscovery } from '../views/pools.ts'

/** @param endpoints none: those of the registry's settings */
export async function discoverPools(endpoints: string[], options: CommonOptions): Promise<ExitCode> {
  const reply = await withSystem(options, ({ registry }) =>
    registry.discoverPools(endpoints.length === 0 ? undefined : endpoints),
  )
  if (options.json) printJson(reply)
  else print(formatDiscovery(reply, terminalWidth()))
  return reply.failed.length > 0 ? EXIT.notCompleted : EXIT.done
}
