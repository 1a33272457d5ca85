// The commands of docs/http.md run, in their order, against a gateway: each prints what it says, and no refusal that was not meant.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { dataPool, textPool } from '@poolmesh/example-pools'
import { expect, test } from 'vitest'
import { startServed } from './fixture.ts'

test('the commands of docs/http.md do what it says', async () => {
  await using owned = new AsyncDisposableStack()
  const { system, url } = owned.use(await startServed())
  for (const pool of [textPool, dataPool]) owned.use(await pool.start({ nc: system.nc }))

  const text = readFileSync(join(import.meta.dirname, '../../../docs/http.md'), 'utf8')
  const printed: string[] = []
  for (const [, code = ''] of text.matchAll(/^```sh runs=http\n([\s\S]*?)^```$/gm)) {
    const script = `set -eo pipefail\n${code}`.replaceAll('http://127.0.0.1:8080', url)
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script])
    expect(stdout, code).not.toBe('')
    expect(stdout, code).not.toContain('urn:poolmesh:error:')
    printed.push(stdout)
  }
  expect(printed).toHaveLength(4)
  expect(JSON.parse(printed[0] as string)).toMatchObject({ status: 'completed', output: { words: 6 } })
  expect(JSON.parse(printed[2] as string).items).toMatchObject([
    { task_id: expect.any(String) },
    { error: { code: 'INVALID_INPUT' } },
  ])
  expect(printed[3]).toContain('"line":2,"error":{"code":"INVALID_JSON"')
})
