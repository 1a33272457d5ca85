import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import { addTaskOptions, type CommonOptions, type TaskOptions } from '../options.ts'

export type SubmitOptions = CommonOptions &
  TaskOptions & { wait: boolean; file?: string; position?: string; again?: true }

export function defineSubmit(parent: Command, end: End): void {
  const command = parent
    .command('submit')
    .description(
      'Submit a task and wait for its result. Ctrl-C stops the waiting, not the task. With --file: submit many.',
    )
    .argument('[task_type]', 'what kind of work it is; the pool decides by it')
    .option('--no-wait', 'print the id once the task is stored, and end')
    .option(
      '--file <file>',
      'submit a task for each line of JSON in it, or in - for standard input; the other options are what a line leaves out',
    )
    .option(
      '--position <file>',
      'of --file: keeps how far it is (default: the file with .position behind it)',
    )
    .option('--again', 'of --file: begin at the first line, and store all of it once more')
  finish(addTaskOptions(command), [
    `submit text.words -c text --payload '{"text":"to be or not to be"}'`,
    'submit csv.statistics -c csv --payload @payload.json --timeout 60',
    'submit hash.sha256 -c text --payload - < payload.json',
    'submit text.words -c text --payload @payload.json --no-wait',
    'submit --file tasks.ndjson',
    'submit text.words -c text --file -',
  ]).action(async (taskType: string | undefined, options: SubmitOptions) => {
    const { file } = options
    if (file !== undefined) {
      const { submitFile } = await import('../actions/submit-file.ts')
      end(await submitFile(taskType, { ...options, file }))
      return
    }
    if (taskType === undefined)
      return command.error("error: missing required argument 'task_type', or --file")
    if (options.position !== undefined || options.again)
      command.error('error: --position and --again go with --file')
    const { submit } = await import('../actions/submit.ts')
    end(await submit(taskType, options))
  })
}
