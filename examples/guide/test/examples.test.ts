// The examples as processes, on a system that runs already; docs/examples.md lists them and says what they print.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSettings } from '@poolmesh/bus'
import { type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { afterAll, beforeAll, expect, test } from 'vitest'

const FOLDER = join(import.meta.dirname, '..')
const PAGE = readFileSync(join(FOLDER, '..', '..', 'docs', 'examples.md'), 'utf8')

let system: EmbeddedSystem
beforeAll(async () => {
  system = await startEmbedded({
    settings: loadSettings({ POOLMESH_CHECK_INTERVAL: '1', POOLMESH_SYNC: '1m' }, ''),
  })
})
afterAll(() => system[Symbol.asyncDispose]())

async function run(file: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(FOLDER, file), ...args], {
    env: { ...process.env, NATS_URL: system.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [printed, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  expect({ code, errors }, printed).toEqual({ code: 0, errors: '' })
  return printed
}

/** What the page says that an example prints; numbers differ from run to run. */
function promised(file: string): string {
  const text = new RegExp(`npx node examples/guide/${file}[\\s\\S]*?\`\`\`text\n([\\s\\S]*?)\`\`\``).exec(
    PAGE,
  )?.[1]
  if (!text) throw new Error(`docs/examples.md does not say what ${file} prints`)
  return text
}
const withoutNumbers = (text: string): string => text.replace(/\d+(\.\d+)?/g, '#')

test.each(['basic.ts', 'parallel.ts', 'health.ts', 'fault-tolerance.ts'])(
  '%s prints what its page says',
  async (file) => {
    expect(withoutNumbers(await run(file))).toBe(withoutNumbers(promised(file)))
  },
)

test('performance.ts prints what its page says', async () => {
  expect(withoutNumbers(await run('performance.ts', '1000'))).toBe(withoutNumbers(promised('performance.ts')))
})

test('map-reduce.ts counts what one process alone counts', async () => {
  const printed = await run('map-reduce.ts')
  expect(printed).toMatch(
    /^\d+ documents, \d+ maps on 3 pools, \d+ reduces\n\d+ words, \d+ different ones: the \d+, /,
  )
  expect(printed).toContain('one process alone counts the same\n')
})
