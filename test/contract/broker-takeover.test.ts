// Contract, promise 1: the NATS server is killed with the answers of a plain pool, and the executor that dispatches stops
// before it has found out that they are lost. Whoever takes over must not take its word for what runs.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'
import { type RunningProcess, run, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, Stranger } from './harness.ts'

let dataDir: string
let port: number
let server: NatsServer
let stranger: Stranger
const processes: RunningProcess[] = []
const executors = new Map<string, RunningProcess>()

const startServer = async (): Promise<void> => {
  server = await startNatsServer({ port, dataDir, sync: '1s' })
}

async function start(name: string): Promise<RunningProcess> {
  const process = run('service.ts', [name], { NATS_URL: server.url })
  processes.push(process)
  await process.line(/"msg":"ready"/)
  return process
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-broker-'))
  port = await freePort()
  await startServer()
  await start('registry')
  for (let i = 0; i < 2; i++) {
    const process = await start('executor')
    const { executor } = JSON.parse(await process.line(/"executor":/)) as { executor: string }
    executors.set(executor, process)
  }
  stranger = await Stranger.to(server.url)
})
afterAll(async () => {
  await stranger?.close()
  for (const process of processes) {
    process.child.kill('SIGCONT')
    await process[Symbol.asyncDispose]()
  }
  await server?.stop('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

async function dispatcher(): Promise<RunningProcess> {
  const process = await until(async () => {
    const query = { last_by_subj: '$KV.EXECUTORS.dispatcher' }
    const message = await stranger.jsm.direct.getMessage('KV_EXECUTORS', query).catch(() => null)
    return executors.get(message?.json<{ holder: string | null }>().holder ?? '')
  }, 'an executor to dispatch')
  return process
}

/** Whether the other executor knows what this one runs. */
async function follows(process: RunningProcess): Promise<boolean> {
  const [id] = [...executors].find(([, one]) => one === process) as [string, RunningProcess]
  const asked = stranger.nc.request(`poolmesh.follows.${id}`, '', { timeout: 500 })
  return await asked.then(
    () => true,
    () => false,
  )
}

test('a run whose answer was lost with the server is begun again by whoever takes over', async () => {
  let deaf = true
  await using pool = await stranger.own({
    maxWorkers: 4,
    handler: (work) => (deaf ? undefined : completed(work, { done: true })),
  })
  const ids = await Promise.all([1, 2].map(() => stranger.submit({ ...pool.task, timeout: 300 })))
  await until(() => pool.received.length === 2)
  const first = await dispatcher()
  const other = [...executors.values()].find((process) => process !== first) as RunningProcess
  await server.stop('SIGKILL')
  deaf = false
  // So the first dispatches again, tells the other what runs, and is stopped before it looks for answers that are lost.
  other.child.kill('SIGSTOP')
  await startServer()
  await until(async () => (await stranger.ask('executor.stats', '', 1_000).catch(() => null)) !== null)
  const probe = await stranger.submit(pool.task)
  expect(await stranger.resultFrom(probe)).toMatchObject({ status: 'completed' })
  other.child.kill('SIGCONT')
  await until(() => follows(first), 'the other to know what runs')
  first.child.kill('SIGSTOP')
  await until(async () => (await dispatcher()) === other, 'the other to take over')
  for (const id of ids) expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed' })
})
