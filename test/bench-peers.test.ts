// Every system of the comparison ends each task in exactly one result; one whose server is not installed is left out.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Contender, startPeers, startPoolmesh, startTheFloor } from '../bench/compare/contenders.ts'

const TASKS = 1_000
const parts = new AsyncDisposableStack()
const contenders: Contender[] = []
let missing: string[] = []

beforeAll(async () => {
  contenders.push(await startPoolmesh(parts), await startTheFloor(parts))
  const found = await startPeers(parts)
  contenders.push(...found.peers)
  missing = found.missing
}, 120_000)
afterAll(() => parts.disposeAsync(), 60_000)

test.for(['poolmesh', 'floor', 'bullmq', 'pg-boss', 'graphile-worker'])(
  '%s: one result for each task, in every row',
  async (name, { skip }) => {
    const contender = contenders.find((one) => one.name === name)
    if (!contender) return skip(missing.join('; '))
    for (const run of Object.values(contender.rows))
      expect(await run(TASKS)).toMatchObject({ results: TASKS, distinct: TASKS, completed: TASKS })
    const offered = await contender.latency?.offered({ perSecond: 100, seconds: 0.2 })
    expect(offered).toHaveLength(20)
  },
)
