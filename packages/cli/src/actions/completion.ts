import type { Command } from 'commander'
import type { Shell } from '../commands/completion.ts'
import { bashCompletion, fishCompletion, zshCompletion } from '../completion/scripts.ts'
import { wordsOf } from '../completion/words.ts'
import { print } from '../output.ts'

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export const printCompletion = (program: Command, shell: Shell): void =>
  print(SCRIPTS[shell](wordsOf(program)))
