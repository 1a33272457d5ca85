// docs/tutorial.md, followed word for word: its files are written, its commands run in their order, on a system as `npm start` has it.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { dataPool, textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeBlocks, ROOT, read } from './markdown.ts'

const blocks = codeBlocks(read('docs/tutorial.md'))
const owned = new AsyncDisposableStack()
let system: EmbeddedSystem
let folder: string
const background = new Map<string, { child: ChildProcess; ended: Promise<unknown> }>()

beforeAll(async () => {
  // Inside of the repository, as the reader's files are, so that the packages are found.
  await mkdir(join(ROOT, '.poolmesh'), { recursive: true })
  folder = await mkdtemp(join(ROOT, '.poolmesh', 'tutorial-'))
  owned.defer(() => rm(folder, { recursive: true, force: true }))
  system = owned.use(await startEmbedded())
  for (const pool of [textPool, dataPool]) owned.use(await pool.start({ nc: system.nc }))
})
afterAll(async () => {
  for (const name of background.keys()) await stop(name)
  await owned.disposeAsync()
})

function shell(script: string) {
  const env = {
    ...process.env,
    NATS_URL: system.url,
    PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env['PATH']}`,
  }
  const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', `npx() { "$@"; }\n${script}`], {
    cwd: folder,
    env,
  })
  let [printed, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, printed: () => printed, errors: () => errors }
}

async function stop(name: string): Promise<void> {
  const running = background.get(name)
  running?.child.kill('SIGTERM')
  await running?.ended
  background.delete(name)
}

test('the reader comes to the end', async () => {
  let run = 0
  for (const [i, { language, marks, code }] of blocks.entries()) {
    if (language === 'ts' && marks['file']) await writeFile(join(folder, marks['file']), code)
    if (language !== 'sh') continue
    run++
    if (marks['stop']) await stop(marks['stop'])
    if (marks['background']) {
      // Without the shell between, which a signal would end alone.
      const { child, ended, printed, errors } = shell(`exec ${code.trim().replace(/^npx (.*) &$/, '$1')}`)
      background.set('greeters', { child, ended })
      await until(() => printed().includes(String(marks['background'])), `${code}: ${errors()}`)
      continue
    }
    const { ended, printed, errors } = shell(code)
    expect({ code: await ended, errors: errors() }, `${code}${printed()}`).toEqual({ code: 0, errors: '' })
    const next = blocks[i + 1]
    if (next?.language === 'text') expect(printed()).toBe(next.code)
    if (code.includes('Ada')) expect(printed()).toContain('Hello, Ada!')
    if (code.includes('--wait')) expect(printed()).toContain('Hello, Grace!')
    if (code.includes('explain')) expect(printed()).toMatch(/pending[\s\S]*capabilit/)
    if (code.includes('both.ts')) expect(printed()).toMatch(/completed\n$/)
  }
  expect(run).toBeGreaterThan(6)
  expect(await readFile(join(folder, 'task.txt'), 'utf8')).toMatch(/^\S+\n$/)
})
