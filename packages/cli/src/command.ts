import type { Command } from 'commander'
import type { ExitCode } from './exit-codes.ts'
import { addCommonOptions, addFormatOption } from './options.ts'

/** Told by a command how it ended. */
export type End = (code: ExitCode) => void

export const TASKS = 'tasks'

/** `--json` and `--server`, and the examples below the help. Comes last, so that a command's own options come first. */
export function finish(command: Command, examples: readonly string[]): Command {
  // The commands of this group have short names too: the examples are those of the name that was asked.
  const group = command.parent?.name() === TASKS ? `${TASKS} ` : ''
  return addExamples(
    addCommonOptions(command),
    examples.map((example) => group + example),
  )
}

const examplesByCommand = new WeakMap<Command, readonly string[]>()

/** What is below its help. */
export const examplesOf = (command: Command): readonly string[] => examplesByCommand.get(command) ?? []

/** Below the help. @param examples without `poolmesh` */
export function addExamples(command: Command, examples: readonly string[]): Command {
  examplesByCommand.set(command, examples)
  return command.addHelpText(
    'after',
    `\nExamples:\n${examples.map((example) => `  $ poolmesh ${example}\n`).join('')}`,
  )
}

/** The same with `--format`, for a command that lists. */
export const finishList = (command: Command, examples: readonly string[]): Command =>
  finish(addFormatOption(command), examples)
