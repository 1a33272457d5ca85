// docs/cli.md: its commands run, in their order, and print what it says.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { dataPool, textPool } from '@poolmesh/example-pools'
import { type RunningProcess, run, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT_MEANINGS } from '../src/exit-codes.ts'
import { environment, follow, ROOT, startSystem } from './system.ts'

const text = await readFile(join(ROOT, 'docs', 'cli.md'), 'utf8')
/** The shell, and what it prints where the document says so. */
const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
  ([, script = '', printed]) => ({ script, printed }),
)

let system: DistributedPoolSystem
let memory: RunningProcess
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-cli-'))
  system = await startSystem()
  memory = run('service.ts', ['memory'], { NATS_URL: system.url })
  await Promise.all([textPool, dataPool].map((pool) => pool.start({ nc: system.connection })))
  await memory.line(/"msg":"ready"/)
})
afterAll(async () => {
  await memory?.[Symbol.asyncDispose]()
  await system?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Ids and times differ from run to run. */
const steady = (printed: string): string =>
  printed.replace(/pm_[A-Za-z0-9]+/g, 'ID').replace(/\d+(\.\d+)? m?s/g, 'TIME')

test.each(blocks)('$script', async ({ script, printed }) => {
  // A pool is busy for a moment after its last task, and one that is drained is there for a moment.
  await until(async () =>
    (await system.registry.getAllPools()).every((pool) => pool.current_workers === 0 && pool.is_available),
  )
  const shell = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', `npx() { "$@"; }\n${script}`], {
    cwd: ROOT,
    env: environment({
      NATS_URL: system.url,
      TMPDIR: folder,
      PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env['PATH']}`,
    }),
  })
  const { code, stdout, stderr } = await follow(shell).ended
  expect({ code, stderr: stderr.replace(/^poolmesh: .*nobody_knows.*\n$/, '') }).toEqual({
    code: 0,
    stderr: '',
  })
  if (printed !== undefined) expect(steady(stdout)).toBe(steady(printed))
})

test('its table of exit codes is the one of the command', () => {
  const table = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `| ${code} | ${meaning} |\n`)
  expect(text).toContain(`|---|---|\n${table.join('')}\n`)
})

test('it has an example of every command', () => {
  const scripts = blocks.map(({ script }) => script).join('')
  for (const command of [
    'submit',
    'tasks list',
    'tasks submit',
    'status',
    'result',
    'cancel',
    'explain',
    'pools list',
    'pools get',
    'pools register',
    'pools deregister',
    'pools execute',
    'pools distribute',
    'pools health',
    'pools rebalance',
    'pools stats',
    'memory search',
    'doctor',
    'config show',
    'completion',
  ])
    expect(scripts).toContain(`npx poolmesh ${command} `.trimEnd())
})
