// What the documents say is so: links lead somewhere, scripts exist, code is the examples', and the examples run.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { until } from '@poolmesh/testkit'
import { startEmbedded } from '@poolmesh/up'
import { describe, expect, test } from 'vitest'
import { anchorsOf, DOCUMENTS, linksOf, ROOT, read } from './markdown.ts'

describe.each(DOCUMENTS)('%s', (name) => {
  const text = read(name)

  test('its links lead to files that exist, and to headings that they have', () => {
    const broken = linksOf(text).filter(({ path, anchor }) => {
      const file = path === '' ? name : normalize(join(dirname(name), path))
      if (!existsSync(join(ROOT, file))) return true
      return anchor !== null && file.endsWith('.md') && !anchorsOf(read(file)).has(anchor)
    })
    expect(broken).toEqual([])
  })

  test('the scripts that it names exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...text.matchAll(/npm run ([a-z][a-z:-]*)/g)].map((match) => match[1] as string)
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([])
  })

  test('its code is the code of the example that it names', () => {
    for (const [, file, code] of text.matchAll(/<!-- (\S+\.ts) -->\n+```ts\n([\s\S]*?)```/g))
      expect(code).toBe(read(file as string))
  })
})

test('every document can be reached from the index', () => {
  const seen = new Set<string>()
  const visit = (name: string): void => {
    if (seen.has(name) || !name.endsWith('.md') || !existsSync(join(ROOT, name))) return
    seen.add(name)
    for (const { path } of linksOf(read(name))) if (path) visit(normalize(join(dirname(name), path)))
  }
  visit('docs/README.md')
  const unreached = DOCUMENTS.filter((name) => /^docs\/(?!decisions\/)/.test(name) && !seen.has(name))
  expect(unreached).toEqual([])
})

test('README shows code of examples only', () => {
  const text = read('README.md')
  const blocks = text.match(/^```ts$/gm) ?? []
  expect(blocks.length).toBeGreaterThan(0)
  expect(text.match(/<!-- \S+\.ts -->\n+```ts\n/g)).toHaveLength(blocks.length)
})

/** @returns what it printed, once it has ended well or was stopped by disposing it */
function example(file: string, servers: string) {
  const child = spawn(process.execPath, [join(ROOT, 'examples', 'quickstart', file)], {
    cwd: ROOT,
    env: { ...process.env, NATS_URL: servers, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    printed: () => printed,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
    },
  }
}

test('the pool and the client of the README work together as it says', async () => {
  await using system = await startEmbedded()
  await using pool = example('pool.ts', system.url)
  await until(() => pool.printed().includes('registered'), 'the pool to be registered')
  await using client = example('client.ts', system.url)
  expect(await client.ended).toBe(0)
  const [promised] = /(?<=prints `)[^`]+/.exec(read('README.md').replaceAll('\n', ' ')) ?? []
  expect(client.printed()).toBe(`${promised}\n`)
})

test('the pool behind HTTP of docs/adapters.md runs what it is sent', async () => {
  await using pool = example('http-pool.ts', '')
  const [, endpoint] = await until(() => /the pool is at (\S+)/.exec(pool.printed()), 'the pool to be served')
  const response = await fetch(`${endpoint}/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ task_type: 'whisper', payload: { text: 'HUSH' } }),
  })
  expect(await response.json()).toMatchObject({ status: 'completed', output: { text: 'hush' } })
})
