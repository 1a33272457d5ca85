// What is on its way to the broker, in the order of the file. All before the first that is not stored is done.
import type { DistributedTaskExecutor, StoreOutcome } from '@poolmesh/client'
import { type DistributedTaskInput, isJsonObject, PoolmeshError, parseJson, parseTask } from '@poolmesh/types'
import type { Line } from './lines.ts'
import type { Position } from './position.ts'

/** Lines of a chunk. Ids are made of where a chunk begins: never to be changed, or resumed files are doubled. */
const CHUNK_LINES = 100
/** A chunk of long lines ends earlier. */
const CHUNK_CHARACTERS = 1024 ** 2
/** On their way at the same time. */
const MAX_CHUNKS = 64
const MAX_CHARACTERS = 32 * 1024 ** 2

interface Chunk {
  end: Line
  lines: number
  bad: number
  characters: number
  outcome: StoreOutcome | null
  settled: Promise<void>
}

export interface ChunksOptions {
  executor: DistributedTaskExecutor
  /** What lines leave out. */
  defaults: Partial<DistributedTaskInput>
  /** Told of a line that is no task. */
  onBad(line: number, why: string): void
}

export class Chunks {
  /** Moves on as chunks are stored. */
  readonly position: Position
  readonly #options: ChunksOptions
  readonly #open: Chunk[] = []
  #filling: { first: number; lines: number; characters: number; bad: number; tasks: DistributedTaskInput[] }
  #last: Line | undefined
  #characters = 0
  #failure: { error: unknown } | undefined

  constructor(position: Position, options: ChunksOptions) {
    this.position = position
    this.#options = options
    this.#filling = this.#empty(position.lines + 1)
  }

  /** Resolves once there is room for more. @throws what the broker said to one of those before */
  async add(line: Line): Promise<void> {
    const filling = this.#filling
    this.#last = line
    filling.lines++
    filling.characters += line.text?.length ?? 0
    this.#read(line)
    if (filling.lines >= CHUNK_LINES || filling.characters >= CHUNK_CHARACTERS) await this.#send()
  }

  /** Resolves once all is stored. @throws what the broker said */
  async end(): Promise<void> {
    await this.#send()
    while (this.#open.length > 0) await this.#first()
  }

  #empty(first: number) {
    return { first, lines: 0, characters: 0, bad: 0, tasks: [] as DistributedTaskInput[] }
  }

  #read({ number, text }: Line): void {
    if (text?.trim() === '') return
    try {
      this.#filling.tasks.push(taskOf(text, number, this.#options.defaults))
    } catch (error) {
      if (!(error instanceof PoolmeshError)) throw error
      this.#filling.bad++
      this.#options.onBad(number, error.message)
    }
  }

  async #send(): Promise<void> {
    const { first, lines, bad, characters, tasks } = this.#filling
    const end = this.#last
    if (lines === 0 || !end) return
    this.#filling = this.#empty(first + lines)
    this.#characters += characters
    const { executor } = this.#options
    const chunk: Chunk = { end, lines, bad, characters, outcome: null, settled: Promise.resolve() }
    chunk.settled = executor.storeTasks(`${this.position.run}\n${first}`, tasks).then(
      (outcome) => {
        chunk.outcome = outcome
        this.#advance()
      },
      (error: unknown) => {
        this.#failure ??= { error }
      },
    )
    this.#open.push(chunk)
    while (this.#open.length >= MAX_CHUNKS || this.#characters >= MAX_CHARACTERS) await this.#first()
    if (this.#failure) throw this.#failure.error
  }

  async #first(): Promise<void> {
    await this.#open[0]?.settled
    if (this.#failure) throw this.#failure.error
  }

  #advance(): void {
    const { position } = this
    for (let chunk = this.#open[0]; chunk?.outcome; chunk = this.#open[0]) {
      this.#open.shift()
      this.#characters -= chunk.characters
      position.offset = chunk.end.end
      position.lines += chunk.lines
      position.bad += chunk.bad
      position.stored += chunk.outcome.stored
      position.there += chunk.outcome.there
    }
  }
}

/** @throws PoolmeshError INVALID_JSON, INVALID_INPUT, PAYLOAD_TOO_LARGE */
function taskOf(
  text: string | null,
  number: number,
  defaults: Partial<DistributedTaskInput>,
): DistributedTaskInput {
  if (text === null) throw new PoolmeshError('PAYLOAD_TOO_LARGE', 'the line is larger than 64 MiB')
  const value = parseJson(number === 1 ? text.replace(/^\uFEFF/, '') : text, 'the line')
  if (!isJsonObject(value)) throw new PoolmeshError('INVALID_INPUT', 'the line is no JSON object')
  const task = { ...defaults, ...value }
  const parsed = parseTask(task, { taskId: 'x' })
  if (!parsed.ok) throw parsed.error
  return task as DistributedTaskInput
}
