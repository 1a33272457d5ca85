import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import { addTaskOptions, type CommonOptions, type TaskOptions } from '../options.ts'

export type SubmitOptions = CommonOptions & TaskOptions & { wait: boolean }

export function defineSubmit(parent: Command, end: End): void {
  const command = parent
    .command('submit')
    .description('Submit a task and wait for its result. Ctrl-C stops the waiting, not the task.')
    .argument('<task_type>', 'what kind of work it is; the pool decides by it')
    .option('--no-wait', 'print the id once the task is stored, and end')
  finish(addTaskOptions(command), [
    `submit text.words -c text --payload '{"text":"to be or not to be"}'`,
    'submit csv.statistics -c csv --payload @payload.json --timeout 60',
    'submit hash.sha256 -c text --payload - < payload.json',
    'submit text.words -c text --payload @payload.json --no-wait',
  ]).action(async (taskType: string, options: SubmitOptions) => {
    const { submit } = await import('../actions/submit.ts')
    end(await submit(taskType, options))
  })
}
