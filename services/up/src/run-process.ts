// How every poolmesh process lives: started, ready, told to stop, stopped in order, gone within the time limit.
import { PoolmeshError } from '@poolmesh/types'

/** Contract: everything is stopped within 10 s. */
const STOP_LIMIT_MS = 9_500
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Started {
  log: { fatal(message: string): void }
  /** Resolves with the reason when it cannot go on. */
  ended?: Promise<string>
}

/**
 * @param start puts what has to be stopped on the stack; what it has put there is stopped even when it throws
 * @returns never, in effect: the process ends with 0 after a signal, with 1 after a failure, told in one line
 */
export async function runProcess(start: (running: AsyncDisposableStack) => Promise<Started>): Promise<void> {
  const running = new AsyncDisposableStack()
  const stopping = stopRequest()
  let exitCode = 0
  try {
    const outcome = await Promise.race([start(running), stopping])
    if (outcome !== null) {
      process.send?.('ready')
      const failed = onFailure(outcome)
      const why = await Promise.race([stopping, failed])
      if (why !== null) {
        outcome.log.fatal(why)
        exitCode = 1
      }
    }
  } catch (error) {
    process.stderr.write(`poolmesh: ${oneLine(error)}\n`)
    exitCode = 1
  }
  setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref()
  await running.disposeAsync().catch((error: unknown) => {
    process.stderr.write(`poolmesh: while stopping: ${oneLine(error)}\n`)
    exitCode = 1
  })
  process.exit(exitCode)
}

/** Resolves with null at the first signal, or when the supervisor that started this process is gone. */
function stopRequest(): Promise<null> {
  return new Promise((resolve) => {
    for (const signal of STOP_SIGNALS) process.on(signal, () => resolve(null))
    process.once('disconnect', () => resolve(null))
  })
}

/** After a defect the state is not to be trusted: say so and end, so that a supervisor starts afresh. */
function onFailure(started: Started): Promise<string> {
  return new Promise((resolve) => {
    process.on('uncaughtException', (error) => resolve(error.stack ?? String(error)))
    void started.ended?.then(resolve)
  })
}

/** What a person reads of an error: its message when it was thrown on purpose, else where it comes from too. */
export function oneLine(error: unknown): string {
  if (error instanceof PoolmeshError) return error.message
  if (!(error instanceof Error)) return String(error)
  const at = error.stack?.split('\n').find((line) => line.trim().startsWith('at '))
  return `unexpected failure: ${error.message.split('\n')[0]}${at ? ` (${at.trim()})` : ''}`
}
