// Every system of the comparison ends each task in exactly one result; one whose server is not installed is left out.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Contenders, startContenders } from '../bench/scenarios/contenders.ts'

const TASKS = 300
const parts = new AsyncDisposableStack()
let contenders: Contenders

beforeAll(async () => {
  contenders = await startContenders(parts)
})
afterAll(() => parts.disposeAsync())

test.for([
  ['poolmesh', 'poolmesh'],
  ['floor', 'floor'],
  ['BullMQ', 'peer, the same job'],
  ['BullMQ', 'peer, as it is'],
  ['pg-boss', 'peer, the same job'],
  ['pg-boss', 'peer, as it is'],
  ['graphile-worker', 'peer, the same job'],
  ['graphile-worker', 'peer, as it is'],
] as const)('%s, %s: one result for each task', async ([name, kind], { skip }) => {
  const contender = contenders.all.find((one) => one.name === name && one.kind === kind)
  if (!contender) return skip(contenders.missing.join('; '))
  await using system = await contender.open()
  const outcome = await system.run({ tasks: TASKS, batchSize: contender.batchSize, window: 10_000 })
  expect(outcome).toMatchObject({ results: TASKS, distinct: TASKS, completed: TASKS })
})
