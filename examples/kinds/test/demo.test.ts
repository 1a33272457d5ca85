// The command that shows pools of four kinds, as a process, with fewer tasks.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const DEMO = join(import.meta.dirname, '..', 'demo.ts')

async function demo(...args: string[]) {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [printed, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, printed, errors }
}

test('every task completes, each of the five pools has some, and the command ends by itself', async () => {
  const { code, printed, errors } = await demo('--tasks', '200')
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  const rows = [
    ...printed.matchAll(/^ {2}(\w+) +(bus|HTTP|MCP|Kubernetes): .*? (\d+) +[\d.]+ % +([\d.]+) /gm),
  ]
  expect(rows.map(([, pool, kind]) => `${pool} ${kind}`)).toEqual([
    'presses bus',
    'stencils bus',
    'mill HTTP',
    'reviewers MCP',
    'jobs Kubernetes',
  ])
  expect(rows.reduce((sum, row) => sum + Number(row[3]), 0)).toBe(200)
  for (const row of rows) expect(Number(row[3])).toBeGreaterThan(0)
  expect(printed).toContain('200 tasks completed')
})

test('what is no number of tasks is refused in one line', async () => {
  expect(await demo('--tasks', 'many')).toEqual({
    code: 1,
    printed: '',
    errors: 'demo: --tasks: a whole number from 1\n',
  })
})
