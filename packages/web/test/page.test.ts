import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { type Built, buildIfNeeded } from '../src/build.ts'
import { openPage } from '../src/index.ts'

const quiet = { warn: () => undefined }

/** The bound of issue: all that a browser loads, compressed. */
const MAX_BYTES = 200 * 1024

test('the page is built, small, and answers its addresses', async () => {
  const opened = openPage(quiet)
  await opened.settled
  const index = opened.answer('/', 'gzip, br')
  expect(index?.headers['content-encoding']).toBe('br')
  const html = brotliDecompressSync(index!.body).toString()
  const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  expect(assets.length).toBeGreaterThanOrEqual(3)
  const sizes = assets.map((path) => opened.answer(path, 'br')!.body.length)
  expect(sizes.reduce((sum, size) => sum + size, index!.body.length)).toBeLessThan(MAX_BYTES)
  expect(opened.answer(assets[0]!, '')?.headers['content-encoding']).toBeUndefined()
  expect(opened.answer('/pools/some-pool', '')?.headers['content-type']).toContain('text/html')
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=/)
  for (const path of [
    '/api/v1/nothing',
    '/healthz',
    '/metrics',
    '/mcp',
    '/assets/none.js',
    '/favicon.ico',
    '/etc/passwd',
    '/pools/a/b',
    '/../package.json',
  ])
    expect(opened.answer(path, ''), path).toBeNull()
})

test('a page that is being built is seen by nobody, and nothing is left of builds', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'poolmesh-page-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  const folder = join(parent, 'dist')
  const [page, left] = [join(folder, 'index.html'), join(parent, '.dist-killed')]
  await mkdir(folder)
  await mkdir(left)
  await writeFile(page, 'old')
  for (const path of [page, left]) await utimes(path, 1, 1)
  const [half, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slow = async (target: string): Promise<Built> => {
    await mkdir(target, { recursive: true })
    await writeFile(join(target, 'index.html'), 'half')
    half.resolve()
    await released.promise
    await writeFile(join(target, 'index.html'), 'whole')
    return { kind: 'ready' }
  }
  const first = openPage(quiet, () => buildIfNeeded(folder, slow), folder)
  await half.promise
  expect(await readFile(page, 'utf8')).toBe('old')
  const second = openPage(quiet, () => buildIfNeeded(folder), folder)
  await second.settled
  const built = second.answer('/', '')!.body.toString()
  expect(built).toContain('<script')
  expect(await readFile(page, 'utf8')).toBe(built)
  released.resolve()
  await first.settled
  expect(first.answer('/', '')?.body.toString()).toBe('whole')
  expect(await readdir(folder)).toEqual(['index.html'])
  const broken = await buildIfNeeded(join(parent, 'other'), async () => ({
    kind: 'failed',
    reason: 'broken',
  }))
  expect(broken).toEqual({ kind: 'failed', reason: 'broken' })
  expect(await readdir(parent)).toEqual(['dist'])
})

test('a page that is replaced while it is read is read again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-page-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  let looks = 0
  const opened = openPage(
    quiet,
    async () => {
      if (++looks === 2) await writeFile(join(folder, 'index.html'), '<!doctype html>')
      return { kind: 'ready' }
    },
    folder,
  )
  await opened.settled
  expect(opened.answer('/', '')?.body.toString()).toBe('<!doctype html>')
})

test('a build that fails is told, escaped, and nothing is thrown', async () => {
  const opened = openPage(quiet, async () => ({
    kind: 'failed',
    reason: '<img src=x onerror=alert(1)> broke',
  }))
  expect(opened.answer('/', '')?.body.toString()).toContain('being built')
  await opened.settled
  const text = opened.answer('/', '')!.body.toString()
  expect(text).toContain('&#60;img')
  expect(text).not.toContain('<img')
})

test('names of files that do not exist are not looked for on the disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-page-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'index.html'), '<!doctype html>')
  await writeFile(join(folder, 'assets', 'a.js'), '1')
  const opened = openPage(quiet, async () => ({ kind: 'ready' }), folder)
  await opened.settled
  await writeFile(join(folder, 'assets', 'b.js'), '2')
  expect(opened.answer('/assets/a.js', '')?.body.toString()).toBe('1')
  expect(opened.answer('/assets/b.js', '')).toBeNull()
})
