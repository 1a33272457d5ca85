// A process of a benchmark: `node bench/role.ts ROLE URL OPTIONS`. It ends with whoever started it.
import type { Call, Reply } from './processes/child.ts'
import { startRole } from './processes/roles.ts'

const [role = '', url = '', options = '{}'] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))
const started = await startRole(role, url, JSON.parse(options))

const send = (message: Reply | 'ready'): void => {
  if (process.connected) process.send?.(message)
}
process.on('message', async ({ id, command, parameters }: Call) => {
  try {
    send({ id, value: await started.commands[command]?.(parameters) })
  } catch (error) {
    send({ id, error: (error as Error).stack ?? String(error) })
  }
})
process.once('SIGTERM', async () => {
  await started.stop().catch((error: Error) => process.stderr.write(`${role}: ${error.message}\n`))
  process.exit(0)
})
send('ready')
