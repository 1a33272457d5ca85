import type { Command } from 'commander'
import { type End, finishList } from '../command.ts'
import type { ListOptions } from '../options.ts'

export function defineDoctor(parent: Command, end: End): void {
  const command = parent
    .command('doctor')
    .description(
      'Look at the server, its storage, permissions, clocks and the services: what is wrong, what to do.',
    )
  finishList(command, ['doctor', 'doctor --server nats://127.0.0.1:4222 --json']).action(
    async (options: ListOptions) => {
      const { diagnose } = await import('../actions/doctor.ts')
      end(await diagnose(options))
    },
  )
}
