import type { Msg } from '@nats-io/transport-node'
import { startTestServer, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { fixedHeaders } from '../src/index.ts'

test('headers that are printed once arrive with every message, and cannot be changed', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  const heard: Msg[] = []
  nc.subscribe('any', { callback: (_, message) => void heard.push(message) })
  const headers = fixedHeaders({ 'Poolmesh-Notify': 'somewhere', 'Nats-Expected-Last-Subject-Sequence': '0' })
  for (let i = 0; i < 3; i++) nc.publish('any', String(i), { headers })
  await until(() => heard.length === 3)
  for (const [i, message] of heard.entries()) {
    expect(message.string()).toBe(String(i))
    expect(message.headers?.get('Poolmesh-Notify')).toBe('somewhere')
    expect(message.headers?.get('Nats-Expected-Last-Subject-Sequence')).toBe('0')
  }
  expect(() => headers.set('Poolmesh-Notify', 'elsewhere')).toThrow(/shared/)
  expect(() => headers.append('more', '1')).toThrow(/shared/)
  expect(() => headers.delete('Poolmesh-Notify')).toThrow(/shared/)
})
