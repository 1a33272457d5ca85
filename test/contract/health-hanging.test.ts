// Endpoints that take the question and say nothing hold up the checks of no other kind of pool.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { startSystem, unique } from './harness.ts'

/** More than are checked over HTTP at a time. */
const HANGING = 600

test('pools on the bus are checked while more HTTP pools hang than are asked at a time', async () => {
  await using system = await startSystem({ CHECK_INTERVAL: '0.5', CHECK_TIMEOUT: '600' })
  const { stranger } = system
  let asked = 0
  const server = createServer(() => void asked++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using _closing = {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await Promise.all(
    Array.from({ length: HANGING }, (_, i) =>
      stranger.ask('pool.register', {
        name: `hangs-${i}`,
        pool_type: 'mahavishnu',
        endpoint: `${endpoint}/${i}`,
      }),
    ),
  )
  await until(async () => asked >= 512, 'as many to hang as are asked at a time')
  let checks = 0
  await using pool = await stranger.pool(unique('pool'), {
    health: () => {
      checks++
      return { status: 'healthy', current_workers: 0, queue_size: 0 }
    },
  })
  await until(() => checks >= 5, `checks of ${pool.name}`)
  expect(asked).toBeLessThan(HANGING)
})

test('a pool that is registered again as one of another type is checked as such', async () => {
  await using system = await startSystem({ CHECK_INTERVAL: '0.5' })
  const { stranger } = system
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using _closing = {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let checks = 0
  await using pool = await stranger.pool(unique('pool'), {
    health: () => {
      checks++
      return { status: 'healthy', current_workers: 0, queue_size: 0 }
    },
  })
  await until(() => checks >= 2)
  await pool.register({ pool_type: 'mahavishnu', endpoint })
  await until(() => asked >= 2)
  await pool.register({ pool_type: 'nats' })
  const before = checks
  await until(() => checks >= before + 2)
})
