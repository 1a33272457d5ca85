// The file that says what pool_spawn may make: what is wrong in it stops the start, and is named.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readPoolTypes } from '../src/pool-types.ts'

const folder = mkdtempSync(join(tmpdir(), 'poolmesh-types-'))
afterAll(() => rmSync(folder, { recursive: true }))

function read(types: unknown): ReturnType<typeof readPoolTypes> {
  const file = join(folder, 'types.json')
  writeFileSync(file, typeof types === 'string' ? types : JSON.stringify(types))
  return readPoolTypes(file)
}

const kubernetes = { namespace: 'work', image: 'render:7' }
const endpoint = 'https://127.0.0.1:6443'

test('processes and Kubernetes pools are told apart, and what is left out is filled in', () => {
  expect(readPoolTypes(undefined)).toEqual({})
  expect(read({ python: { command: 'python3' }, render: { endpoint, kubernetes } })).toEqual({
    python: { command: 'python3', args: [], env: [] },
    render: {
      endpoint,
      kubernetes: { ...kubernetes, env: {}, ttl_seconds: 600, start_seconds: 120 },
      capabilities: [],
      region: null,
    },
  })
})

test.each([
  ['no JSON', '{', /JSON/],
  ['no command', { a: {} }, /at a\.command/],
  ['a command and a template', { a: { command: 'x', kubernetes, endpoint } }, /command/],
  ['no address', { a: { kubernetes } }, /at a\.endpoint/],
  ['no namespace', { a: { endpoint, kubernetes: { image: 'x' } } }, /at a\.kubernetes\.namespace/],
  ['a field that there is not', { a: { endpoint, kubernetes: { ...kubernetes, imgae: 'x' } } }, /imgae/],
  ['no name', { 'a b': { command: 'x' } }, /a b/],
])('%s is refused with where it is', (_, types, where) => {
  expect(() => read(types)).toThrow(
    expect.objectContaining({ code: 'INVALID_SETTING', message: expect.stringMatching(where) }),
  )
})
