// What can be typed after each command, as the program itself has it.
import type { Command } from 'commander'

export interface CompletedOption {
  /** `-c`, `--capability`. */
  flags: string[]
  meaning: string
  takesValue: boolean
  choices: readonly string[]
}

export interface CompletedCommand {
  /** A space before each word, nothing for the program itself: ` tasks list`. */
  at: string
  meaning: string
  /** Words of subcommands, and what the arguments may be. */
  words: { word: string; meaning: string }[]
  options: CompletedOption[]
}

/** The program and all below it, itself first. */
export function wordsOf(command: Command, at = ''): CompletedCommand[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const own: CompletedCommand = {
    at,
    meaning: command.description(),
    words: [
      ...commands.map((one) => ({ word: one.name(), meaning: one.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((word) => ({ word, meaning: description })),
      ),
    ],
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      meaning: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })),
  }
  return [own, ...command.commands.flatMap((one) => wordsOf(one, `${at} ${one.name()}`))]
}
