// How far a file has been submitted: a small file beside it, written whole or not at all.
import { createHash, randomUUID } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { PoolmeshError } from '@poolmesh/types'

interface Counts {
  /** Lines that were read. */
  lines: number
  /** Tasks that are stored. */
  stored: number
  /** Tasks whose id was pending already. */
  there: number
  /** Lines that are no tasks. */
  bad: number
}

export interface Position extends Counts {
  version: 1
  /** The ids of the tasks are made of it: the same line has the same one, however often it is submitted. */
  run: string
  /** Where they are submitted to. */
  server: string
  /** Bytes of the file up to where all is stored. */
  offset: number
  /** Of what stands before: whether it is still the same file. */
  tail: string
}

const TAIL_BYTES = 4_096

export const newPosition = (server: string): Position => ({
  version: 1,
  run: randomUUID(),
  server,
  offset: 0,
  lines: 0,
  stored: 0,
  there: 0,
  bad: 0,
  tail: '',
})

/** The position of one file, in another. */
export class PositionFile {
  readonly #path: string
  readonly #file: string
  /** The last that is written, or waits for the one before: two at once would take each other's file away. */
  #last: Promise<void> = Promise.resolve()

  constructor(path: string, file: string) {
    this.#path = path
    this.#file = file
  }

  /** @returns null: there is none. @throws PoolmeshError INVALID_INPUT when it belongs to another file or server */
  read(server: string): Promise<Position | null> {
    return readPosition(this.#path, this.#file, server)
  }

  /**
   * Once this has resolved, the position survives a loss of power. Those that come while one is being written follow it.
   * @throws PoolmeshError INVALID_INPUT
   */
  write(position: Position): Promise<void> {
    const next = (): Promise<void> => writePosition(this.#path, this.#file, position)
    this.#last = this.#last.then(next, next)
    return this.#last
  }
}

async function readPosition(path: string, file: string, server: string): Promise<Position | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unusable(path, `cannot be read (${(error as NodeJS.ErrnoException).code})`, error)
  }
  let position: Position
  try {
    position = JSON.parse(text) as Position
  } catch (error) {
    throw unusable(path, 'has no position in it', error)
  }
  if (position?.version !== 1 || !Number.isSafeInteger(position.offset) || typeof position.run !== 'string')
    throw unusable(path, 'has no position in it')
  if (position.server !== server) throw unusable(path, `is of another server, ${position.server}`)
  if ((await tailOf(file, position.offset)) !== position.tail)
    throw unusable(path, `is of another file than ${file} is now`)
  return position
}

async function writePosition(path: string, file: string, position: Position): Promise<void> {
  const whole = { ...position, tail: await tailOf(file, position.offset) }
  const temporary = `${path}.new`
  try {
    await using handle = await open(temporary, 'w')
    await handle.writeFile(`${JSON.stringify(whole)}\n`)
    await handle.sync()
    await rename(temporary, path)
  } catch (error) {
    throw unusable(path, `cannot be written (${(error as NodeJS.ErrnoException).code})`, error)
  }
}

async function tailOf(file: string, offset: number): Promise<string> {
  await using handle = await open(file, 'r')
  const length = Math.min(TAIL_BYTES, offset)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset - length)
  return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex')
}

const unusable = (path: string, why: string, cause?: unknown): PoolmeshError =>
  new PoolmeshError(
    'INVALID_INPUT',
    `the position file ${path} ${why}. --again begins at the first line, --position names another`,
    [],
    { cause },
  )
