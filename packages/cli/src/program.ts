// The commands and their help. What they do is in `actions/`, loaded when a command is run.

import { wrap } from '@poolmesh/terminal'
import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { defineAlerts } from './commands/alerts.ts'
import { defineCompletion } from './commands/completion.ts'
import { defineConfig } from './commands/config.ts'
import { defineDead } from './commands/dead.ts'
import { defineDoctor } from './commands/doctor.ts'
import { defineMcp } from './commands/mcp.ts'
import { defineMemory } from './commands/memory.ts'
import { definePools } from './commands/pools.ts'
import { defineShortNames, defineTasks } from './commands/tasks.ts'
import { EXIT, EXIT_MEANINGS, type ExitCode } from './exit-codes.ts'
import { terminalWidth } from './output.ts'

/** Runs one command. @returns the exit code, once everything has been told */
export async function runCommandLine(argv: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done
  const program = createProgram((code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(argv)
    return exitCode
  } catch (error) {
    // The help that was asked for, or wrong usage: commander has written either.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.wrongInput
    const { reportFailure } = await import('./failure.ts')
    return reportFailure(error, asksForJson(argv))
  }
}

/** All commands. @param end told how the one that was run ended */
export function createProgram(end: (code: ExitCode) => void): Command {
  const program = new Command('poolmesh')
    .description('Submit tasks to the pools that run, follow them, and see which pools there are.')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'poolmesh: ')) })
    // Below it the descriptions are left to the terminal, which breaks lines within words.
    .configureHelp({ minWidthToWrap: 10 })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', helpAfter)
  defineTasks(program, end)
  definePools(program, end)
  defineDead(program, end)
  defineMemory(program, end)
  defineAlerts(program, end)
  defineMcp(program, end)
  defineConfig(program, end)
  defineDoctor(program, end)
  defineCompletion(program, end)
  defineShortNames(program, end)
  return program
}

/** For a failure, of which no command's options are left to ask. */
const asksForJson = (argv: readonly string[]): boolean =>
  argv.some(
    (word, i) =>
      word === '--json' || word === '--format=json' || (word === 'json' && argv[i - 1] === '--format'),
  )

const helpAfter = (): string => `
Exit codes:
${Object.entries(EXIT_MEANINGS)
  .map(([code, meaning]) => wrap(`  ${code.padEnd(5)}${meaning}`, terminalWidth(), '       '))
  .join('\n')}

Examples:
  $ poolmesh pools list
  $ poolmesh submit text.words -c text --payload '{"text":"to be or not to be"}'
  $ poolmesh tasks list --status failed
  $ poolmesh submit --help
`
