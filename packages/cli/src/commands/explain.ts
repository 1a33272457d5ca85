import type { Command } from 'commander'
import { type End, finishList } from '../command.ts'
import { addTaskOptions, type ListOptions, type TaskOptions } from '../options.ts'

export type ExplainOptions = ListOptions & TaskOptions & { type?: string }

export function defineExplain(parent: Command, end: End): void {
  const command = parent
    .command('explain')
    .description(
      'Show why a task is where it is or what it waits for, or where one would go that is not submitted.',
    )
    .argument('[task_id]', 'what submit printed')
    .option(
      '--type <task_type>',
      'instead of an id: where such a task would go now, with the options of submit',
    )
  finishList(addTaskOptions(command), [
    'explain pm_1a2b3c',
    'explain pm_1a2b3c --format markdown',
    'explain --type text.words -c text --strategy round_robin',
  ]).action(async (taskId: string | undefined, options: ExplainOptions) => {
    if ((taskId === undefined) === (options.type === undefined))
      command.error('error: name either a task or, with --type, what kind of task')
    const { explain } = await import('../actions/explain.ts')
    end(await explain(taskId, options))
  })
}
