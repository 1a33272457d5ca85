import type { Command } from 'commander'
import { type End, finishList } from '../command.ts'
import { type ListOptions, parseNumber } from '../options.ts'

export type MemorySearchOptions = ListOptions & { limit?: number }

export function defineMemory(parent: Command, end: End): void {
  const memory = parent.command('memory').description('Search what tasks came to.')
  const search = memory
    .command('search')
    .description('Search recent results, and Session-Buddy and Akosha where results are collected there.')
    .argument('<query>', 'words')
    .option('--limit <count>', 'hits at most, to 100 (default: 10)', parseNumber)
  finishList(search, ["memory search 'tides brest'", 'memory search timeout --limit 50 --json']).action(
    async (query: string, options: MemorySearchOptions) => {
      const { searchMemory } = await import('../actions/memory.ts')
      end(await searchMemory(query, options))
    },
  )
}
