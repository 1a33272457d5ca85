// A task that no pool can take waits without a word; whoever waits with it should know why.
import type { DistributedTaskExecutor, TaskHandle } from '@poolmesh/client'
import { notice } from '../output.ts'

/** Tasks that find a pool begin long before. */
const PATIENCE_MS = 1_500

/** Says once what the task waits for, if it does after a moment. Dispose it when the waiting is over. */
export function tellWhyItWaits(executor: DistributedTaskExecutor, handle: TaskHandle): Disposable {
  const over = new AbortController()
  const say = (why: string): void => {
    if (!over.signal.aborted) notice(why)
  }
  let stored = false
  handle.stored.then(
    () => {
      stored = true
    },
    () => over.abort(),
  )
  const timer = setTimeout(async () => {
    const { taskId } = handle
    if (!stored) return say(`the server has not confirmed the task ${taskId} yet; still trying`)
    try {
      const { waiting_for, status } = await executor.explainTask(taskId, { signal: over.signal })
      // A fan-out that runs waits for its branches, which is no news.
      if (waiting_for !== null && status === 'pending')
        say(`${taskId} waits: ${waiting_for}. Ctrl-C stops the waiting, not the task.`)
    } catch (error) {
      // Worth a line too: the task is stored, but no executor is there to route it.
      say(`${taskId} waits: ${(error as Error).message}`)
    }
  }, PATIENCE_MS)
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      over.abort()
    },
  }
}
