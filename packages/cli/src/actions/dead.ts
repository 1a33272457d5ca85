import { type DeadListReply, PoolmeshError } from '@poolmesh/types'
import type { DeadListOptions, DeadPurgeOptions } from '../commands/dead.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { type CommonOptions, requireLimit } from '../options.ts'
import { print, printJson } from '../output.ts'
import { collectPages } from '../pages.ts'
import { withSystem } from '../system.ts'
import { DEAD_COLUMNS, formatDeadLetter } from '../views/dead.ts'

const PAGE = 100

export async function listDead(options: DeadListOptions): Promise<ExitCode> {
  const limit = requireLimit(options.limit)
  const page = await withSystem(options, async ({ executor }): Promise<DeadListReply> => {
    const ask = async (limit: number, from: string | null) => {
      const { dead, cursor } = await executor.deadLetters.list({ limit, cursor: from })
      return { items: dead, cursor }
    }
    const { items, cursor } = await collectPages(ask, { from: options.cursor, limit, pageSize: PAGE })
    return { dead: items, cursor }
  })
  printList(options, {
    columns: DEAD_COLUMNS,
    rows: page.dead,
    json: page,
    nothing: 'no task is a dead letter',
    cursor: page.cursor,
  })
  return EXIT.done
}

export async function showDead(taskId: string, options: CommonOptions): Promise<ExitCode> {
  const letter = await withSystem(options, ({ executor }) => executor.deadLetters.get(taskId))
  if (options.json) printJson(letter)
  else print(formatDeadLetter(letter))
  return EXIT.done
}

export async function retryDead(taskId: string, options: CommonOptions): Promise<ExitCode> {
  const reply = await withSystem(options, ({ executor }) => executor.deadLetters.retry(taskId))
  if (options.json) printJson(reply)
  else print(`${taskId} is submitted again as ${reply.task_id}\n`)
  return EXIT.done
}

export async function purgeDead(taskId: string | undefined, options: DeadPurgeOptions): Promise<ExitCode> {
  if ((taskId === undefined) !== (options.all === true))
    throw new PoolmeshError('INVALID_INPUT', 'name the one to take out, or say --all')
  const reply = await withSystem(options, ({ executor: { deadLetters } }) =>
    taskId === undefined ? deadLetters.purgeAll() : deadLetters.purge(taskId),
  )
  if (taskId !== undefined && reply.purged === 0)
    throw new PoolmeshError('NOT_FOUND', `${taskId} is no dead letter: it never was, or was taken out`)
  if (options.json) printJson(reply)
  else print(`${reply.purged} taken out\n`)
  return EXIT.done
}
