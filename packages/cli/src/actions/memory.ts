import type { MemorySearchOptions } from '../commands/memory.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { notice, print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatHits } from '../views/memory.ts'

export async function searchMemory(query: string, options: MemorySearchOptions): Promise<ExitCode> {
  const reply = await withSystem(options, (system) => system.searchMemory(query, options.limit))
  if (options.json) {
    printJson(reply)
    return EXIT.done
  }
  if (reply.hits.length > 0) print(formatHits(reply.hits, terminalWidth()))
  else notice('nothing is like that')
  for (const { source, reason } of reply.failed) notice(`${source} gave no answer: ${reason}`)
  return EXIT.done
}
