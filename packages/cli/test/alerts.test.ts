import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jetstream } from '@nats-io/jetstream'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { alertmanagerBody, type PoolAlert, slackBody } from '../src/alerts/bodies.ts'
import { Delivered, groupsOf } from '../src/alerts/groups.ts'
import { start } from './system.ts'

const alertOf = (change: Partial<PoolAlert> = {}): PoolAlert => ({
  event_id: 'health.gpu.1',
  at: '2026-01-02T03:04:05.000Z',
  pool: 'gpu',
  reason: 'no answer',
  previous_status: 'healthy',
  kind: 'unhealthy',
  pool_type: 'nats',
  region: null,
  ...change,
})

test('events that came together go in groups, and ids are remembered up to a limit', () => {
  const alerts = [alertOf(), alertOf({ pool: 'b', region: 'eu' }), alertOf({ pool: 'c', pool_type: null })]
  expect(groupsOf(alerts, 'none').map(({ key, alerts: of }) => [key, of.length])).toEqual([['', 3]])
  expect(groupsOf(alerts, 'region').map(({ key }) => key)).toEqual(['unknown', 'eu'])
  expect(groupsOf(alerts, 'type').map(({ key, alerts: of }) => [key, of.length])).toEqual([
    ['nats', 2],
    ['unknown', 1],
  ])
  const delivered = new Delivered(2)
  for (const id of ['a', 'b', 'c']) delivered.add(id)
  expect(['a', 'b', 'c'].map((id) => delivered.has(id))).toEqual([false, true, true])
})

test('Alertmanager gets one alert a pool, with the same labels when it recovers', () => {
  const failed = alertOf()
  const recovered = alertOf({ kind: 'recovered', at: '2026-01-02T03:05:05.000Z', reason: 'it answers' })
  const [firing] = alertmanagerBody({ key: '', alerts: [failed] }, 'http://127.0.0.1:8080/')
  expect(firing).toEqual({
    labels: { alertname: 'PoolmeshPool', pool: 'gpu' },
    annotations: { summary: 'The pool gpu is unhealthy', description: 'no answer', pool_type: 'nats' },
    startsAt: '2026-01-02T03:04:05.000Z',
    endsAt: '2026-01-09T03:04:05.000Z',
    generatorURL: 'http://127.0.0.1:8080/pools/gpu',
  })
  const resolved = alertmanagerBody({ key: '', alerts: [failed, recovered] })
  expect(resolved).toMatchObject([
    { labels: { alertname: 'PoolmeshPool', pool: 'gpu' }, endsAt: '2026-01-02T03:05:05.000Z' },
  ])
})

test('Slack gets a text and sections, with nothing that a reason could command', () => {
  const body = slackBody({ key: 'eu', alerts: [alertOf({ reason: '<!channel> & more' })] })
  expect(body).toMatchObject({ text: 'Pools (eu): 1 unhealthy' })
  expect(JSON.stringify(body)).toContain('&lt;!channel&gt; &amp; more')
})

test('a receiver that refuses, hangs and dies loses nothing, and neither does a kill', async () => {
  await using system = await createDistributedPoolSystem({ embedded: 'always' })
  const got: { pools: string[]; authorization: string | undefined }[] = []
  let tries = 0
  let mood: 'refuses' | 'hangs' | 'dies' | 'takes' = 'refuses'
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let text = ''
    for await (const chunk of request) text += chunk
    tries++
    if (mood === 'dies') request.destroy()
    else if (mood === 'refuses') response.writeHead(500).end()
    else if (mood === 'takes') {
      const { alerts } = JSON.parse(text) as { alerts: PoolAlert[] }
      got.push({ pools: alerts.map(({ pool }) => pool), authorization: request.headers.authorization })
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  using _server = { [Symbol.dispose]: () => server.close().closeAllConnections() }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hidden-path`
  const forward = () =>
    start(['alerts', 'forward', '--window', '1'], {
      env: {
        NATS_URL: system.url,
        POOLMESH_ALERTS_URL: url,
        POOLMESH_ALERTS_AUTHORIZATION: 'Bearer hidden-token',
      },
    })
  const js = jetstream(system.connection)
  const tell = async (pool: string): Promise<void> => {
    const { kind: _, pool_type: __, region: ___, ...event } = alertOf({ pool, event_id: `health.${pool}.1` })
    await js.publish('pool.unhealthy', JSON.stringify(event))
  }
  const tried = async (): Promise<void> => {
    const before = tries
    await until(() => tries > before, 'another try', 30_000)
  }
  const first = forward()
  await first.says(/forwarding alerts/)
  await tell('one')
  await tell('one')
  await tried()
  mood = 'dies'
  await tried()
  mood = 'hangs'
  await tried()
  first.child.kill('SIGKILL')
  await first.ended
  await tell('two')
  mood = 'takes'
  const second = forward()
  await until(() => got.flatMap(({ pools }) => pools).length >= 2, 'both', 40_000)
  await until(async () => {
    const { num_ack_pending, num_pending } = await (await js.consumers.get('POOL_EVENTS', 'alerts')).info()
    return num_ack_pending + num_pending === 0
  }, 'acknowledgements')
  second.child.kill('SIGTERM')
  const { code, stderr } = await second.ended
  expect(code).toBe(0)
  expect(got.flatMap(({ pools }) => pools).sort()).toEqual(['one', 'two'])
  expect(got[0]?.authorization).toBe('Bearer hidden-token')
  expect(stderr + (await first.ended).stderr).not.toContain('hidden')
})
