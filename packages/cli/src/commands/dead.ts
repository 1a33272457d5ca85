import type { Command } from 'commander'
import { addExamples, type End, finish, finishList } from '../command.ts'
import { type CommonOptions, type ListOptions, parseNumber } from '../options.ts'

export type DeadListOptions = ListOptions & { limit?: number; cursor?: string }
export type DeadPurgeOptions = CommonOptions & { all?: true }

const ID = 'as the list has it'

export function defineDead(parent: Command, end: End): void {
  const dead = parent
    .command('dead')
    .description('Dead letters: tasks that killed pool after pool and are not tried again.')
  addExamples(dead, ['dead list', 'dead show pm_1a2b3c', 'dead retry pm_1a2b3c', 'dead purge --all'])
  const list = dead
    .command('list')
    .description('List them, oldest first.')
    .option('--limit <count>', 'at most so many (default: all)', parseNumber)
    .option('--cursor <cursor>', 'go on where a list with --limit ended')
  finishList(list, ['dead list', 'dead list --limit 50 --format markdown']).action(
    async (options: DeadListOptions) => {
      const { listDead } = await import('../actions/dead.ts')
      end(await listDead(options))
    },
  )
  const show = dead
    .command('show')
    .description('Show one: the task, and what went wrong with each try.')
    .argument('<task_id>', ID)
  finish(show, ['dead show pm_1a2b3c']).action(async (taskId: string, options: CommonOptions) => {
    const { showDead } = await import('../actions/dead.ts')
    end(await showDead(taskId, options))
  })
  const retry = dead
    .command('retry')
    .description('Submit its task again, as a new one, and take the letter out.')
    .argument('<task_id>', ID)
  finish(retry, ['dead retry pm_1a2b3c']).action(async (taskId: string, options: CommonOptions) => {
    const { retryDead } = await import('../actions/dead.ts')
    end(await retryDead(taskId, options))
  })
  const purge = dead
    .command('purge')
    .description('Take one out for good, or all of them.')
    .argument('[task_id]', ID)
    .option('--all', 'all of them')
  finish(purge, ['dead purge pm_1a2b3c', 'dead purge --all']).action(
    async (taskId: string | undefined, options: DeadPurgeOptions) => {
      const { purgeDead } = await import('../actions/dead.ts')
      end(await purgeDead(taskId, options))
    },
  )
}
