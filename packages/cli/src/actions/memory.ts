import type { MemorySearchOptions } from '../commands/memory.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { notice } from '../output.ts'
import { withSystem } from '../system.ts'
import { HIT_COLUMNS } from '../views/memory.ts'

export async function searchMemory(query: string, options: MemorySearchOptions): Promise<ExitCode> {
  const reply = await withSystem(options, (system) => system.searchMemory(query, options.limit))
  printList(options, { columns: HIT_COLUMNS, rows: reply.hits, json: reply, nothing: 'nothing is like that' })
  if (options.format !== 'json')
    for (const { source, reason } of reply.failed) notice(`${source} gave no answer: ${reason}`)
  return EXIT.done
}
