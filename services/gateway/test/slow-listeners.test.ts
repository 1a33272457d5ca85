// Listeners that stop to read: what piles up for them is bounded, they are cut off, and nobody else notices.
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { connectTo, head } from './connection.ts'
import { type Served, startServed } from './fixture.ts'
import { type Listening, listen } from './sse.ts'

const MIB = 1024 ** 2
const EVENTS = head('GET /api/v1/events?topics=alerts')
/** Of an event; so many of them are more than the buffers of the system hold between two sockets. */
const NOTE = 'x'.repeat(400_000)
const MANY = 60

async function alert(it: Served, number: number, reason: string): Promise<void> {
  const event = {
    event_id: `e${number}`,
    at: new Date().toISOString(),
    pool: 'p',
    reason,
    previous_status: null,
  }
  await it.system.nc.request('pool.recovered', JSON.stringify(event), { timeout: 10_000 })
}
/** However slow the machine, nothing piles up for whoever reads. */
async function alertsAtThePaceOf(it: Served, reader: Listening): Promise<void> {
  for (let i = 0; i < MANY; i++) {
    await alert(it, i, NOTE)
    await until(() => reader.heard.length > i, 'the reader to have it')
  }
}

test('who does not read is cut off when too much waits for him; who reads has everything, in order, once', async () => {
  await using it = await startServed({}, { listenerHardBytes: MIB, listenerStallMs: 600_000 })
  using reader = await listen(it.url, 'alerts')
  using slow = connectTo(it.url, { isRead: false })
  slow.send(EVENTS)
  await until(async () => (await it.listeners()) === 2)
  await alertsAtThePaceOf(it, reader)
  await until(() => reader.heard.length === MANY, 'all alerts')
  expect(reader.heard.map(({ data }) => data.event_id)).toEqual(
    Array.from({ length: MANY }, (_, i) => `e${i}`),
  )
  await until(async () => (await it.listeners()) === 1, 'the slow one to be cut off')
  expect(reader.ended()).toBe(false)
  slow.socket.resume()
  await until(slow.ended)
})

test('who does not catch up in time is cut off, however little waits for him', async () => {
  await using it = await startServed({}, { listenerHardBytes: 64 * MIB, listenerStallMs: 1_500 })
  using reader = await listen(it.url, 'alerts')
  using slow = connectTo(it.url, { isRead: false })
  slow.send(EVENTS)
  await until(async () => (await it.listeners()) === 2)
  await alertsAtThePaceOf(it, reader)
  await until(async () => (await it.listeners()) === 1, 'the slow one to be cut off')
  await until(() => reader.heard.length === MANY, 'all alerts')
  expect(reader.ended()).toBe(false)
})

test('what waits for all listeners is bounded: those for whom most waits are cut off', async () => {
  const limits = { listenerHardBytes: 64 * MIB, listenerStallMs: 600_000, listenersBytes: 4 * MIB }
  await using it = await startServed({}, limits)
  using reader = await listen(it.url, 'alerts')
  using first = connectTo(it.url, { isRead: false })
  using second = connectTo(it.url, { isRead: false })
  for (const slow of [first, second]) slow.send(EVENTS)
  await until(async () => (await it.listeners()) === 3)
  await alertsAtThePaceOf(it, reader)
  await until(async () => (await it.listeners()) === 1, 'the slow ones to be cut off')
  await until(() => reader.heard.length === MANY, 'all alerts')
  expect(reader.ended()).toBe(false)
})

test('more listeners than there may be are told to come later', async () => {
  await using it = await startServed({}, { listeners: 1 })
  using _one = await listen(it.url, 'alerts')
  const { status, body, headers } = await it.ask('GET', '/api/v1/events?topics=alerts')
  expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'OVERLOADED', '1'])
})

test('who begins to listen between two events gets none twice and misses none', async () => {
  await using it = await startServed()
  const topics = 'alerts,overview,pools,tasks'
  using first = await listen(it.url, topics)
  await alert(it, 0, 'first')
  const { id } = await first.next('alerts')
  let sent = 1
  const sending = (async () => {
    for (; sent < 40; sent++) await alert(it, sent, 'more')
  })()
  // Each comes back at another moment with the same id, and with others on the way.
  const back = []
  for (let i = 0; i < 10; i++) {
    back.push(await listen(it.url, topics, id))
    await new Promise((resolve) => setTimeout(resolve, 7))
  }
  await sending
  const wanted = Array.from({ length: 39 }, (_, i) => `e${i + 1}`)
  for (const one of back) {
    using listener = one
    const had = () =>
      listener.heard.filter(({ event }) => event === 'alerts').map(({ data }) => data.event_id)
    await until(() => had().length >= wanted.length, 'all alerts')
    expect(had()).toEqual(wanted)
    const numbers = listener.heard.map(({ id }) => Number(id.split('-')[1]))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  }
})
