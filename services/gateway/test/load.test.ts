// In small what `npm run bench -- gateway` does: many listen while many submit, and nobody loses anything.
import { textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { startServed } from './fixture.ts'
import { listen } from './sse.ts'

const LISTENERS = 200
const TASKS = 400
const ALERTS = 5

test('200 listen while 400 tasks are submitted: each alert comes to each once, and every task ends', async () => {
  await using owned = new AsyncDisposableStack()
  const it = owned.use(await startServed())
  const { nc } = it.system
  owned.use(await textPool.start({ nc }))
  const listeners = await Promise.all(
    Array.from({ length: LISTENERS }, () => listen(it.url, 'overview,tasks,alerts')),
  )
  for (const listener of listeners) owned.use(listener)
  const task = { task_type: 'text.words', payload: { text: 'a' }, required_capabilities: ['text'] }
  const submitting = Promise.all(
    Array.from({ length: TASKS }, () => it.ask('POST', '/api/v1/tasks', task, { prefer: 'wait=60' })),
  )
  for (let i = 0; i < ALERTS; i++) {
    const event = {
      event_id: `e${i}`,
      at: new Date().toISOString(),
      pool: 'text-pool',
      reason: 'tried',
      previous_status: null,
    }
    await nc.request('pool.recovered', JSON.stringify(event), { timeout: 10_000 })
  }
  const results = await submitting
  expect(results.filter(({ status, body }) => status !== 200 || body.status !== 'completed')).toEqual([])
  expect(new Set(results.map(({ body }) => body.task_id)).size).toBe(TASKS)
  const had = (i: number): string[] =>
    listeners[i]!.heard.filter(({ event }) => event === 'alerts').map(({ data }) => data.event_id)
  await until(() => listeners.every((_, i) => had(i).length >= ALERTS), 'all alerts')
  const wanted = Array.from({ length: ALERTS }, (_, i) => `e${i}`)
  for (const i of listeners.keys()) expect(had(i)).toEqual(wanted)
})
