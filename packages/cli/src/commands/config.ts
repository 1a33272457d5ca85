import type { Command } from 'commander'
import { addExamples, type End } from '../command.ts'
import { addFormatOption, addJsonOption, type ListOptions } from '../options.ts'

export type ConfigShowOptions = Pick<ListOptions, 'format'>

export function defineConfig(parent: Command, end: End): void {
  const config = parent.command('config').description('See the settings.')
  addExamples(config, ['config show'])
  // It asks no server: `--server` would be of no use.
  const show = addJsonOption(addFormatOption(config.command('show'))).description(
    'Show each setting, its value and where it comes from. Secrets are masked.',
  )
  addExamples(show, ['config show', 'config show --json']).action(async (options: ConfigShowOptions) => {
    const { showConfig } = await import('../actions/config-show.ts')
    end(showConfig(options))
  })
}
