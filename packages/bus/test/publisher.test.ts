import { headers } from '@nats-io/transport-node'
import { startTestServer } from '@poolmesh/testkit'
import { HEADERS } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { Publisher } from '../src/index.ts'

test('what the server says of a publish: stored, a duplicate, refused, nobody there', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  await nc.request(
    '$JS.API.STREAM.CREATE.S',
    JSON.stringify({ name: 'S', subjects: ['s.*'], storage: 'file', max_bytes: 10_000, discard: 'new' }),
  )
  using publisher = new Publisher(nc)
  for (let seq = 1; seq <= 12; seq++)
    expect(await publisher.store(`s.${seq}`, `{"größe":${seq}}`)).toEqual({
      kind: 'stored',
      seq,
      duplicate: false,
    })
  const message = await nc.request('$JS.API.STREAM.MSG.GET.S', '{"seq":12}')
  const { data } = message.json<{ message: { data: string } }>().message
  expect(Buffer.from(data, 'base64').toString()).toBe('{"größe":12}')

  const once = headers()
  once.set('Nats-Msg-Id', 'once')
  expect(await publisher.store('s.once', '', once)).toEqual({ kind: 'stored', seq: 13, duplicate: false })
  expect(await publisher.store('s.once', '', once)).toEqual({ kind: 'stored', seq: 13, duplicate: true })

  const first = headers()
  first.set(HEADERS.expectedLastSubjectSequence, '0')
  expect(await publisher.store('s.12', '', first)).toMatchObject({ kind: 'refused', code: 10071 })
  expect(await publisher.store('s.full', 'x'.repeat(20_000))).toMatchObject({ kind: 'refused', code: 10077 })
  expect(await publisher.store('other', '')).toMatchObject({ kind: 'unknown', noStream: true })
})

test.each([
  ['{"stream":"S","seq":7}', { kind: 'stored', seq: 7, duplicate: false }],
  ['{"stream":"S","seq": 7}', { kind: 'stored', seq: 7, duplicate: false }],
  ['{"stream":"S","domain":"leaf","seq":1234567890123}', { kind: 'stored', seq: 1_234_567_890_123 }],
  ['{"stream":"S","seq":7,"duplicate":true}', { kind: 'stored', seq: 7, duplicate: true }],
  ['{"stream":"S","seq":7,"val":"12"}', { kind: 'stored', seq: 7 }],
  [
    '{"error":{"code":400,"err_code":10071,"description":"no"},"stream":"S","seq":7}',
    { kind: 'refused', code: 10071 },
  ],
  ['{"error":{"code":503,"description":"no"},"stream":"S","seq":0}', { kind: 'refused', code: 503 }],
  ['{"stream":"S","seq":}', { kind: 'unknown' }],
  ['7}', { kind: 'unknown' }],
  ['', { kind: 'unknown' }],
])('the answer %s', async (text, outcome) => {
  await using server = await startTestServer()
  const nc = await server.connect()
  nc.subscribe('s', { callback: (_, message) => void message.respond(text) })
  await nc.flush()
  using publisher = new Publisher(nc)
  expect(await publisher.store('s', 'x')).toMatchObject(outcome)
})
