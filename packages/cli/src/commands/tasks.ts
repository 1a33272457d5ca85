// `poolmesh tasks …`. What is done with one task is there under its own name too, since it is typed so often.
import { type Command, Option } from 'commander'
import { addExamples, type End, finishList, TASKS } from '../command.ts'
import { type ListOptions, parseNumber } from '../options.ts'
import { defineCancel } from './cancel.ts'
import { defineExplain } from './explain.ts'
import { defineResult } from './result.ts'
import { defineStatus } from './status.ts'
import { defineSubmit } from './submit.ts'

const ENDED = ['completed', 'failed', 'timeout', 'cancelled']
const STATUSES = ['pending', 'running', ...ENDED]

export type TasksListOptions = ListOptions & {
  status?: string
  type?: string
  pool?: string
  limit: number
  cursor?: string
}

export type TasksTailOptions = ListOptions & {
  status?: string[]
  pool?: string
  limit?: number
}

export function defineTasks(parent: Command, end: End): void {
  const tasks = parent.command(TASKS).description('Submit tasks, follow them, and see which there are.')
  addExamples(tasks, [
    'tasks submit text.words -c text --payload @task.json',
    'tasks submit --file tasks.ndjson',
    'tasks list --status failed',
    'tasks explain pm_1a2b3c',
  ])
  defineOneTask(tasks, end)
  defineList(tasks, end)
  defineTail(tasks, end)
}

/** Comes last: what is defined behind it would be in the same group of the help. */
export function defineShortNames(program: Command, end: End): void {
  program.commandsGroup('Short for tasks …:')
  defineOneTask(program, end)
}

function defineOneTask(parent: Command, end: End): void {
  defineSubmit(parent, end)
  defineStatus(parent, end)
  defineResult(parent, end)
  defineCancel(parent, end)
  defineExplain(parent, end)
}

function defineList(tasks: Command, end: End): void {
  const command = tasks
    .command('list')
    .description(
      'List tasks, newest first: those that wait or run, then those that ended (kept for 24 hours).',
    )
    .addOption(new Option('--status <status>', 'only those with it').choices(STATUSES))
    .option('--type <task_type>', 'only those of it that wait or run: a result does not tell its type')
    .option('--pool <name>', 'only those that run there, or ran there')
    .option('--limit <count>', 'at most so many', parseNumber, 50)
    .option('--cursor <cursor>', 'go on where a list with --limit ended')
  finishList(command, [
    'list',
    'list --status failed --limit 10',
    'list --pool text-pool --format markdown',
  ]).action(async (options: TasksListOptions) => {
    const { listTasks } = await import('../actions/tasks-list.ts')
    end(await listTasks(options))
  })
}

function defineTail(tasks: Command, end: End): void {
  const command = tasks
    .command('tail')
    .description('Show tasks as they end, until Ctrl-C.')
    .addOption(new Option('--status <status...>', 'only those that end so').choices(ENDED))
    .option('--pool <name>', 'only those that ran there')
    .option('--limit <count>', 'end after so many', parseNumber)
  finishList(command, ['tail', 'tail --status failed timeout', 'tail --format json | jq .task_id']).action(
    async (options: TasksTailOptions) => {
      const { tailTasks } = await import('../actions/tasks-tail.ts')
      end(await tailTasks(options))
    },
  )
}
