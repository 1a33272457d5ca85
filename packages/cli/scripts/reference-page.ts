// docs/cli-reference.md, from the program itself.
import type { Command } from 'commander'
import { examplesOf, TASKS } from '../src/command.ts'
import { EXIT_MEANINGS } from '../src/exit-codes.ts'
import { createProgram } from '../src/program.ts'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return `\n${line(titles)}|${'---|'.repeat(titles.length)}\n${rows.map(line).join('')}`
}

/** Groups have no section of their own: their commands have. */
const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)

const nameOf = (command: Command): string =>
  command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()

function section(command: Command): string {
  const help = command.createHelp()
  const args = help
    .visibleArguments(command)
    .map((one) => [`\`${help.argumentTerm(one)}\``, cell(help.argumentDescription(one))])
  const options = help
    .visibleOptions(command)
    .map((one) => [`\`${help.optionTerm(one)}\``, cell(help.optionDescription(one))])
  const examples = examplesOf(command).map((example) => `poolmesh ${example}\n`)
  return `
## ${nameOf(command)}

${cell(command.description())}

\`\`\`text
${help.commandUsage(command)}
\`\`\`
${table(['argument', 'what it is'], args)}${table(['option', 'what it does'], options)}${
  examples.length === 0 ? '' : `\nExamples:\n\n\`\`\`text\n${examples.join('')}\`\`\`\n`
}`
}

export function referencePage(): string {
  const program = createProgram(() => {})
  const ofTasks = program.commands.find((command) => command.name() === TASKS)?.commands ?? []
  const isShortName = (command: Command): boolean =>
    command.parent === program && ofTasks.some((one) => one.name() === command.name())
  const commands = leaves(program).filter((command) => !isShortName(command))
  const index = commands.map((command) => [
    `[${nameOf(command).replace('poolmesh ', '')}](#${nameOf(command).replaceAll(' ', '-')})`,
    cell(command.description()),
  ])
  const codes = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => [code, cell(meaning)])
  return `# All commands

Generated from the code by \`npm run generate\`. How to use them: [the command line](cli.md). The commands of
\`poolmesh tasks\` have short names too: \`poolmesh submit\` is \`poolmesh tasks submit\`.
${table(['command', 'what it does'], index)}
Exit codes:
${table(['code', 'meaning'], codes)}${commands.map(section).join('')}`
}
