import { textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { startServed } from './fixture.ts'

test('/metrics tells what ended, how long it took, and which pools there are', async () => {
  await using it = await startServed()
  await using _pool = await textPool.start({ nc: it.system.nc })
  const ran = await it.ask(
    'POST',
    '/api/v1/tasks',
    { task_type: 'text.words', payload: { text: 'a b' }, required_capabilities: ['text'] },
    { prefer: 'wait=30' },
  )
  expect(ran.status).toBe(200)
  await until(async () => {
    const { body } = await it.ask('GET', '/metrics')
    return (
      body.includes('poolmesh_tasks_ended_total{status="completed"} 1\n') &&
      body.includes('poolmesh_pools{health="healthy"} 1\n')
    )
  })
  const { headers, body } = await it.ask('GET', '/metrics')
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(body).toContain('poolmesh_executor_up 1\n')
  expect(body).toContain('poolmesh_task_run_seconds_count 1\n')
  expect(body).toContain('poolmesh_task_run_seconds_bucket{le="+Inf"} 1\n')
  const counts = [...body.matchAll(/^poolmesh_task_run_seconds_bucket\{.*\} (\d+)$/gm)].map(([, n]) =>
    Number(n),
  )
  expect(counts.length).toBeGreaterThan(3)
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
})
