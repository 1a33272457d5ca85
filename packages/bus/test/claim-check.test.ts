import { createHash } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { startTestServer } from '@poolmesh/testkit'
import { MAX_PAYLOAD_BYTES } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClaimCheck, isPayloadRef } from '../src/index.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

test('several processes make the store at once, and read what any of them put', async () => {
  const checks = await Promise.all([1, 2, 3].map(async () => new ClaimCheck(await server.connect())))
  const value = { text: 'ä'.repeat(700_000), list: [1, null, 'x'] }
  const refs = await Promise.all(checks.map((check) => check.put(value)))
  for (const ref of refs) expect(await checks[0]!.get(ref)).toEqual(value)
  const json = JSON.stringify(value)
  expect(refs[0]).toEqual({
    store: 'PAYLOADS',
    name: expect.any(String),
    size: Buffer.byteLength(json),
    sha256: createHash('sha256').update(json).digest('hex'),
  })
  expect(new Set(refs.map((ref) => ref.name)).size).toBe(3)
  const info = await (await jetstreamManager(await server.connect())).streams.info('OBJ_PAYLOADS')
  expect(info.config.max_age).toBe(nanos(8 * 24 * 3_600_000))
})

test('JSON text and its bytes are taken as they are', async () => {
  const check = new ClaimCheck(await server.connect())
  expect(await check.get(await check.put('{"a":1}'))).toEqual({ a: 1 })
  expect(await check.get(await check.put(Buffer.from('{"a":2}')))).toEqual({ a: 2 })
})

test('64 MiB are taken, one byte more is refused with both sizes', async () => {
  const check = new ClaimCheck(await server.connect())
  const most = JSON.stringify('x'.repeat(MAX_PAYLOAD_BYTES - 2))
  const ref = await check.put(most)
  expect(ref.size).toBe(MAX_PAYLOAD_BYTES)
  expect(((await check.get(ref)) as string).length).toBe(MAX_PAYLOAD_BYTES - 2)
  await check.delete(ref)
  await expect(check.put(`${most} `)).rejects.toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    message: expect.stringMatching(/67108865 bytes.*67108864 \(64\.0 MiB\) are allowed/),
  })
})

test('what is missing, deleted or replaced is not found', async () => {
  const check = new ClaimCheck(await server.connect())
  const ref = await check.put({ a: 1 })
  await expect(check.get({ ...ref, name: 'nothing' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('nothing'),
  })
  await expect(check.get({ ...ref, sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(check.get({ ...ref, size: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await check.delete(ref)
  await expect(check.get(ref)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await check.delete(ref)
  await check.delete({ ...ref, name: 'nothing' })
})

test('a payload whose chunks are gone is not waited for', async () => {
  const nc = await server.connect()
  const check = new ClaimCheck(nc, { stalledMs: 500 })
  const ref = await check.put({ a: 1 })
  await (await jetstreamManager(nc)).streams.purge('OBJ_PAYLOADS', { filter: '$O.PAYLOADS.C.>' })
  await expect(check.get(ref)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a reference to another store, or of another shape, is refused', async () => {
  const check = new ClaimCheck(await server.connect())
  const ref = await check.put({})
  expect(isPayloadRef(ref)).toBe(true)
  for (const wrong of [
    { ...ref, store: 'OTHER' },
    { ...ref, name: '' },
    { ...ref, size: -1 },
    { ...ref, sha256: 'x' },
    null,
    'x',
  ]) {
    expect(isPayloadRef(wrong)).toBe(false)
    await expect(check.get(wrong as typeof ref)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
})

test('without JetStream the refusal says what is out of reach, and a later call tries again', async () => {
  const nc = await server.connect()
  const check = new ClaimCheck(nc)
  await nc.close()
  const first = check.put({})
  await expect(first).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(check.put({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})
