import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { CommonOptions } from '../options.ts'
import { print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatStatus } from '../views/status.ts'

export async function status(taskId: string, options: CommonOptions): Promise<ExitCode> {
  const reply = await withSystem(options, ({ executor }) => executor.getTaskStatus(taskId))
  if (options.json) printJson(reply)
  else print(formatStatus(reply))
  return EXIT.done
}
