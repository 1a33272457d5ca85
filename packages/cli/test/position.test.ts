import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newPosition, PositionFile } from '../src/submit-file/position.ts'

test('positions that are noted at the same time are written one after the other, the last one last', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-position-'))
  try {
    const file = join(folder, 'tasks.ndjson')
    await writeFile(file, 'x'.repeat(100))
    const kept = new PositionFile(`${file}.position`, file)
    const at = (offset: number) => ({ ...newPosition('here'), run: 'r', offset })
    await Promise.all(Array.from({ length: 50 }, (_, offset) => kept.write(at(offset))))
    expect(await kept.read('here')).toMatchObject({ run: 'r', offset: 49 })
    expect((await readdir(folder)).sort()).toEqual(['tasks.ndjson', 'tasks.ndjson.position'])
    await expect(new PositionFile(join(folder, 'none', 'p'), file).write(at(1))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('cannot be written (ENOENT)'),
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})
