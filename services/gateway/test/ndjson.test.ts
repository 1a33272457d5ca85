// Lines to a system that is slower than who sends them: so many are under way, and the rest stays with the sender.
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { silentLogger } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import { NDJSON } from '../src/http/media-types.ts'
import { Room } from '../src/http/room.ts'
import { LIMITS } from '../src/limits.ts'
import { type LinesOptions, submitLines } from '../src/routes/ndjson.ts'

const LINES = 50_000
const WINDOW = 1_000
const LINE = `${JSON.stringify({ task_type: 'x', payload: { text: 'y'.repeat(200) } })}\n`

const POST = { method: 'POST', headers: { 'content-type': NDJSON } }

async function serveLines(submit: LinesOptions['submit']) {
  const app = fastify()
  app.addContentTypeParser(NDJSON, (_request, _payload, done) => done(null))
  const room = new Room(LIMITS.bodiesBytes)
  const options = { log: silentLogger(), room, idleMs: LIMITS.linesIdleMs, submit }
  app.post('/', (request, reply) => submitLines({ request: request.raw, reply, ...options }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, room, [Symbol.asyncDispose]: () => app.close() }
}

test('many lines to a slow system: a thousand under way at most, none lost, none twice', async () => {
  const opened = Promise.withResolvers<void>()
  let [taken, underWay, most] = [0, 0, 0]
  const submit = async (): Promise<object> => {
    most = Math.max(most, ++underWay)
    const task_id = `t${taken++}`
    await opened.promise
    await new Promise(setImmediate)
    underWay--
    return { task_id }
  }
  await using it = await serveLines(submit)
  let sent = 0
  const source = Readable.from(
    (function* () {
      for (; sent < LINES; sent++) yield LINE
    })(),
  )
  const posting = request(it.url, POST)
  source.pipe(posting)
  const [response] = await once(posting, 'response')
  await until(() => underWay === WINDOW, 'as many as there may be')
  opened.resolve()
  const seen = new Set<number>()
  for await (const line of createInterface({ input: response })) {
    const { line: number, task_id } = JSON.parse(line) as { line: number; task_id: string }
    expect(task_id).toBeDefined()
    seen.add(number)
  }
  expect(most).toBe(WINDOW)
  expect(taken).toBe(LINES)
  expect(seen.size).toBe(LINES)
  expect(it.room.held).toBe(0)
}, 60_000)

test('large lines to a slow system: no more bytes are under way than there may be', async () => {
  const opened = Promise.withResolvers<void>()
  let [underWay, most] = [0, 0]
  await using it = await serveLines(async () => {
    most = Math.max(most, ++underWay)
    await opened.promise
    underWay--
    return {}
  })
  const line = `${' '.repeat(1024 ** 2)}x\n`
  const posting = request(it.url, POST)
  Readable.from(Array.from({ length: 60 }, () => line)).pipe(posting)
  const [response] = await once(posting, 'response')
  await until(() => underWay === 32, '32 MiB under way')
  // What is read behind it lies in buffers of the connection.
  await new Promise((resolve) => setTimeout(resolve, 200))
  opened.resolve()
  let answers = 0
  for await (const _ of createInterface({ input: response })) answers++
  expect([most, answers, it.room.held]).toEqual([32, 60, 0])
})

test('lines of a caller who does not read what is answered wait with him, and none is lost', async () => {
  const [lines, answer] = [20_000, { task_id: 'x'.repeat(10_000) }]
  let taken = 0
  await using it = await serveLines(async () => {
    taken++
    return answer
  })
  const posting = request(it.url, POST)
  Readable.from(Array.from({ length: lines }, () => LINE)).pipe(posting)
  const [response] = await once(posting, 'response')
  let before = -1
  await until(async () => {
    if (taken > 0 && taken === before) return true
    before = taken
    await new Promise((resolve) => setTimeout(resolve, 300))
    return false
  }, 'nothing more to be taken')
  expect(taken).toBeLessThan(lines / 2)
  let answers = 0
  for await (const _ of createInterface({ input: response })) answers++
  expect([taken, answers]).toEqual([lines, lines])
}, 60_000)
