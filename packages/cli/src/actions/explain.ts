import type { ExplainOptions } from '../commands/explain.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { taskOf } from '../task-of-options.ts'
import { formatAnswer } from '../views/answer.ts'
import { explanationOf } from '../views/explanation.ts'

/** @param taskId undefined: the task that the options describe */
export async function explain(taskId: string | undefined, options: ExplainOptions): Promise<ExitCode> {
  const question = taskId ?? (await taskOf(options.type ?? '', options))
  const reply = await withSystem(options, ({ executor }) => executor.explainTask(question))
  if (options.format === 'json') printJson(reply)
  else print(formatAnswer(explanationOf(reply), options.format, terminalWidth()))
  return EXIT.done
}
