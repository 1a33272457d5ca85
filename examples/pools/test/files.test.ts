import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checksum } from '../src/checksum.ts'
import { fileUnder, readText } from '../src/files.ts'

let outside: string
let root: string
beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), 'poolmesh-files-'))
  root = join(outside, 'root')
  await mkdir(join(root, '.hidden'), { recursive: true })
  await mkdir(join(root, 'docs'))
  await writeFile(join(outside, 'secret.txt'), 'secret')
  await writeFile(join(root, '.hidden', 'key.txt'), 'secret')
  await writeFile(join(root, 'docs', 'a.txt'), 'abc')
  await symlink(join(outside, 'secret.txt'), join(root, 'link.txt'))
  await symlink(join(root, '.hidden'), join(root, 'door'))
  await symlink(join(root, 'docs', 'a.txt'), join(root, 'inside.txt'))
})
afterAll(() => rm(outside, { recursive: true, force: true }))

const context = { signal: new AbortController().signal, progress: (): void => {} }
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

test('a file below the folder is read, through links that stay inside too', async () => {
  expect(await readText(root, { path: 'docs/../docs/a.txt' }, context.signal)).toBe('abc')
  expect(await readText(root, { path: 'inside.txt' }, context.signal)).toBe('abc')
  expect(await readText(root, { text: 'given' }, context.signal)).toBe('given')
})

test.each([
  '../secret.txt',
  'docs/../../secret.txt',
  '/etc/passwd',
  '..',
  '.',
  '.hidden/key.txt',
  'docs/../.hidden/key.txt',
  'link.txt',
  'door/key.txt',
  'docs',
  'docs/a.txt\0.png',
])('the path %j is refused', async (path) => {
  await expect(fileUnder(root, path)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

test('a file that is not there is not found', async () => {
  await expect(fileUnder(root, 'docs/b.txt')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('SHA-256 of text, of a file and of several', async () => {
  expect(await checksum(root, { text: 'abc' }, context)).toEqual({ sha256: ABC, bytes: 3 })
  expect(await checksum(root, { path: 'docs/a.txt' }, context)).toEqual({ sha256: ABC, bytes: 3 })
  const told: [number, string | undefined][] = []
  const paths = ['docs/a.txt', 'inside.txt']
  const progress = (fraction: number, message?: string): void => void told.push([fraction, message])
  expect(await checksum(root, { paths }, { ...context, progress })).toEqual({
    files: paths.map((path) => ({ path, sha256: ABC, bytes: 3 })),
  })
  expect(told).toEqual([
    [0.5, 'docs/a.txt'],
    [1, 'inside.txt'],
  ])
})

test('a payload with both or neither of text and path is refused', async () => {
  for (const payload of [{}, { text: 'a', path: 'b' }, { text: 1 }])
    await expect(checksum(root, payload, context)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
