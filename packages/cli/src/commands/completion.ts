import { Argument, type Command } from 'commander'
import { addExamples, type End } from '../command.ts'
import { EXIT } from '../exit-codes.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export function defineCompletion(parent: Command, end: End): void {
  const command = parent
    .command('completion')
    .description('Print what makes a shell complete commands, options and what an option may be.')
    .addArgument(new Argument('<shell>', 'the shell that reads it').choices(SHELLS))
  addExamples(command, [
    'completion bash > ~/.local/share/bash-completion/completions/poolmesh',
    'completion zsh > ~/.zfunc/_poolmesh   # a folder of $fpath',
    'completion fish > ~/.config/fish/completions/poolmesh.fish',
  ]).action(async (shell: Shell) => {
    const { printCompletion } = await import('../actions/completion.ts')
    printCompletion(parent, shell)
    end(EXIT.done)
  })
}
