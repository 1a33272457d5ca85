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
import { submitLines } from '../src/routes/ndjson.ts'

const LINES = 50_000
const WINDOW = 1_000
const LINE = `${JSON.stringify({ task_type: 'x', payload: { text: 'y'.repeat(200) } })}\n`

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
  const app = fastify()
  app.addContentTypeParser(NDJSON, (_request, _payload, done) => done(null))
  const room = new Room(LIMITS.bodiesBytes)
  app.post('/', (request, reply) =>
    submitLines({
      request: request.raw,
      reply,
      log: silentLogger(),
      room,
      idleMs: LIMITS.linesIdleMs,
      submit,
    }),
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  await using _app = { [Symbol.asyncDispose]: () => app.close() }
  const { port } = app.server.address() as AddressInfo

  let sent = 0
  const source = Readable.from(
    (function* () {
      for (; sent < LINES; sent++) yield LINE
    })(),
  )
  const posting = request({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-type': NDJSON } })
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
  expect(room.held).toBe(0)
}, 60_000)
