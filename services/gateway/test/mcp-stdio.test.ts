// `poolmesh mcp` as an agent starts it, and who may not ask the gateway for the tools.
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let served: Served
beforeAll(async () => {
  served = await startServed()
}, 60_000)
afterAll(() => served?.[Symbol.asyncDispose](), 60_000)

test('the tools are on standard input and output, and end with them', { timeout: 60_000 }, async () => {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [
      join(import.meta.dirname, '../../../packages/cli/src/main.ts'),
      'mcp',
      '--server',
      served.system.url,
    ],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  const pid = transport.pid ?? 0
  const listed = await client.callTool({ name: 'pool_list', arguments: {} })
  expect(listed.structuredContent).toMatchObject({ pools: [], spawned: [] })
  const refused = await client.callTool({ name: 'task_explain', arguments: { task_id: 'nobody' } })
  expect(refused.isError).toBe(true)
  await client.close()
  expect(() => process.kill(pid, 0)).toThrow()
})

test('a page of another site is refused at /mcp', async () => {
  const answer = await served.ask('POST', '/mcp', {}, { origin: 'http://evil.example' })
  expect(answer.status).toBe(403)
})
