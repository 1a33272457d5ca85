// A subscriber that does not read slows nobody: the broker cuts it off and everything goes on.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, type RunningSystem, startSystem } from './harness.ts'

/** More than the 64 MiB that nats-server keeps for one client, and what two sockets hold. */
const TASKS = 1_000
const OUTPUT = { text: 'x'.repeat(100_000) }

let running: RunningSystem
beforeAll(async () => {
  running = await startSystem()
})
afterAll(() => running[Symbol.asyncDispose]())

const LISTENER = `
import { connect } from '@nats-io/transport-node'
const nc = await connect({ servers: process.argv[1], name: 'slow', reconnectTimeWait: 50 })
nc.subscribe('task.completed', { callback() {} })
nc.subscribe('pool.>', { callback() {} })
await nc.flush()
console.log('listens')
for await (const { type } of nc.status()) if (type === 'disconnect') console.log('cut off')
`

/** Resolves when the process prints the line. */
const says = (child: ChildProcess, line: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => reject(new Error(`it ended: ${signal ?? code}`)))
    createInterface({ input: child.stdout! }).on('line', (text) => text === line && resolve())
  })

test('tasks end while a subscriber to their results is stopped, and it is cut off', async () => {
  const { stranger } = running
  const slow = spawn(process.execPath, ['--input-type=module', '-e', LISTENER, stranger.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await says(slow, 'listens')
    const cutOff = says(slow, 'cut off')
    slow.kill('SIGSTOP')
    await using pool = await stranger.own({ maxWorkers: 50, handler: (work) => completed(work, OUTPUT) })
    const ids = await Promise.all(Array.from({ length: TASKS }, () => stranger.submit(pool.task)))
    for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    slow.kill('SIGCONT')
    await cutOff
  } finally {
    slow.kill('SIGKILL')
  }
})
