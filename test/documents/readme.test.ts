// The commands of the README, in their order, on a system as `npm start` has it, with the README's own pool.
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { freePort, loadSettings } from '@poolmesh/bus'
import { textPool } from '@poolmesh/example-pools'
import { CORE_SERVICES, startEmbedded } from '@poolmesh/up'
import { definePool } from '@poolmesh/worker'
import { expect, test } from 'vitest'
import { codeBlocks, ROOT, read } from './markdown.ts'

const scripts = codeBlocks(read('README.md'))
  .filter(({ language, code }) => language === 'sh' && !code.startsWith('npm '))
  .map(({ code }) => code)

test('they do what is said of them', async () => {
  const port = String(await freePort())
  await using system = await startEmbedded({
    settings: loadSettings({ POOLMESH_HTTP_PORT: port, POOLMESH_SYNC: '1m' }, ''),
    services: [...CORE_SERVICES, 'gateway'],
  })
  await using _text = await textPool.start({ nc: system.nc })
  const shouters = definePool({
    name: 'shouters',
    capabilities: ['shout'],
    handler: ({ payload }) => ({ text: String(payload['text']).toUpperCase() }),
  })
  await using _shouters = await shouters.start({ nc: system.nc })
  const env = {
    ...process.env,
    NATS_URL: system.url,
    PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env['PATH']}`,
  }
  let all = ''
  for (const script of scripts) {
    const code = `npx() { "$@"; }\n${script.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)}`
    const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', code], { cwd: ROOT, env })
    let [printed, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    const ended = await new Promise<number | null>((resolve) => child.once('close', resolve))
    expect({ ended, errors }, script).toEqual({ ended: 0, errors: '' })
    all += printed
  }
  expect(all).toContain('text-pool')
  expect(all).toMatch(/"words": 6/)
  expect(all).toMatch(/"pool_name":"shouters".*HELLO, HTTP/)
})
