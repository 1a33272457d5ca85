import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { CommonOptions } from '../options.ts'
import { print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatStats } from '../views/stats.ts'

export async function showStats(options: CommonOptions): Promise<ExitCode> {
  const stats = await withSystem(options, async ({ registry, executor, monitor }) => {
    const [pools, tasks, health] = await Promise.all([
      registry.getRegistryStats(),
      executor.getExecutorStats(),
      monitor.getMonitorStats(),
    ])
    return { pools, tasks, health }
  })
  if (options.json) printJson(stats)
  else print(formatStats(stats))
  return EXIT.done
}
