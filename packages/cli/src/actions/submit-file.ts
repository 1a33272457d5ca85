// A file of tasks, of any length: read as fast as the broker stores it, and taken up again where it was left.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import { oneLine, Progress } from '@poolmesh/terminal'
import { type DistributedTaskInput, PoolmeshError } from '@poolmesh/types'
import type { SubmitOptions } from '../commands/submit.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Interruption, onInterrupt } from '../interrupt.ts'
import { notice, print, printJson } from '../output.ts'
import { Chunks } from '../submit-file/chunks.ts'
import { linesOf } from '../submit-file/lines.ts'
import { newPosition, type Position, PositionFile } from '../submit-file/position.ts'
import { withSystem } from '../system.ts'
import { taskOf } from '../task-of-options.ts'

/** Between two notes of the position: what is sent twice after a crash is not stored twice. */
const NOTE_MS = 200
/** Lines that are told of; more are counted. */
const BAD_LINES = 20

export async function submitFile(
  taskType: string | undefined,
  options: SubmitOptions & { file: string },
): Promise<ExitCode> {
  const defaults = await defaultsOf(taskType, options)
  const source = await sourceOf(options)
  // What a line leaves behind is soon garbage. V8 would take it for a reason to double the room for what is new, several
  // times: 100 MiB more in a long file, and no line faster.
  setFlagsFromString('--semi-space-growth-factor=1')
  using interruption = onInterrupt()
  const position = await withSystem(options, async ({ executor, url }) => {
    const server = url.replaceAll(/[^/,\s]*@/g, '')
    const known = source.position === null || options.again ? null : await source.read(server)
    const position = known ?? newPosition(server)
    const quiet = options.json === true
    if (known && known.offset > 0 && !quiet)
      notice(
        known.offset >= source.size
          ? 'all of it had been submitted before; --again submits it once more'
          : `going on behind line ${known.lines}`,
      )
    await store({ executor, source, defaults, position, interruption, quiet })
    return position
  })
  const { lines, stored, there, bad } = position
  if (options.json) printJson({ lines, stored, there, bad })
  else print(summaryOf(position))
  return bad > 0 ? EXIT.wrongInput : EXIT.done
}

interface Source {
  /** Bytes; 0 where that is not known. */
  size: number
  /** The file that has the position; null: what comes from a pipe comes only once. */
  position: string | null
  open(offset: number): AsyncIterable<Buffer>
  read(server: string): Promise<Position | null>
  note(position: Position): Promise<void>
}

async function sourceOf({ file, position: chosen }: SubmitOptions & { file: string }): Promise<Source> {
  const size = file === '-' ? null : await sizeOf(file)
  const position = size === null ? null : (chosen ?? `${file}.position`)
  const kept = position === null ? null : new PositionFile(position, file)
  return {
    size: size ?? 0,
    position,
    open: (offset) => (file === '-' ? process.stdin : createReadStream(file, { start: offset })),
    read: async (server) => (await kept?.read(server)) ?? null,
    note: async (now) => await kept?.write(now),
  }
}

/** Null: it is a pipe. */
async function sizeOf(file: string): Promise<number | null> {
  try {
    const found = await stat(file)
    if (found.isDirectory()) throw new PoolmeshError('INVALID_INPUT', `--file: ${file} is a folder`)
    return found.isFile() ? found.size : null
  } catch (cause) {
    if (cause instanceof PoolmeshError) throw cause
    const code = (cause as NodeJS.ErrnoException).code ?? cause
    throw new PoolmeshError('INVALID_INPUT', `--file: the file ${file} cannot be read (${code})`, [], {
      cause,
    })
  }
}

interface Work {
  executor: DistributedTaskExecutor
  source: Source
  defaults: Partial<DistributedTaskInput>
  position: Position
  interruption: Interruption
  quiet: boolean
}

async function store({ executor, source, defaults, position, interruption, quiet }: Work): Promise<void> {
  // First of all: the ids of what is stored from here on must not be forgotten.
  await source.note(position)
  using progress = quiet ? undefined : new Progress({ unit: ['task', 'tasks'] })
  const chunks = new Chunks(position, { executor, defaults, onBad: tellerOfBad(progress, quiet) })
  let notedAt = performance.now()
  const { signal } = interruption
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  stopped.catch(() => {})
  const show = (): void =>
    progress?.update({
      done: position.stored + position.there,
      fraction: source.size === 0 ? null : Math.min(1, position.offset / source.size),
      ...(position.bad === 0 ? {} : { note: `${position.bad} bad lines` }),
    })
  show()
  try {
    const read = async (): Promise<void> => {
      const from = { line: position.lines, offset: position.offset }
      for await (const lines of linesOf(source.open(position.offset), from)) {
        for (const line of lines) {
          if (signal.aborted) return
          await chunks.add(line)
        }
        show()
        if (performance.now() - notedAt < NOTE_MS) continue
        notedAt = performance.now()
        await source.note({ ...position })
      }
      await chunks.end()
    }
    await Promise.race([read(), stopped])
  } catch (error) {
    const again = source.position === null ? '' : ': the same command goes on from there'
    if (!quiet) progress?.say(`poolmesh: stopped; all up to line ${position.lines} is stored${again}`)
    throw error
  } finally {
    show()
    await source.note({ ...position })
  }
}

function tellerOfBad(progress: Progress | undefined, quiet: boolean): (line: number, why: string) => void {
  let told = 0
  const say = (text: string): void => (progress ? progress.say(`poolmesh: ${text}`) : undefined)
  return (line, why) => {
    if (quiet || ++told > BAD_LINES + 1) return
    say(
      told > BAD_LINES
        ? 'more lines are no tasks; they are only counted from here on'
        : `line ${line}: ${oneLine(why)}`,
    )
  }
}

/** What lines leave out: the options that were given, and nothing else. */
async function defaultsOf(
  taskType: string | undefined,
  options: SubmitOptions,
): Promise<Partial<DistributedTaskInput>> {
  if (options.id !== undefined)
    throw new PoolmeshError(
      'INVALID_INPUT',
      '--id is of one task: with --file each line may have its task_id',
    )
  const { task_type, payload, ...rest } = await taskOf(taskType ?? '', options)
  return {
    ...rest,
    ...(taskType === undefined ? {} : { task_type }),
    ...(options.payload === undefined ? {} : { payload }),
  }
}

function summaryOf({ stored, there, bad }: Position): string {
  const count = (number: number, one: string, many: string): string =>
    `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`
  const parts = [
    count(stored + there, 'task is stored', 'tasks are stored'),
    ...(there === 0 ? [] : [`${count(there, 'of them was', 'of them were')} there already`]),
    ...(bad === 0 ? [] : [count(bad, 'line is no task', 'lines are no tasks')]),
  ]
  return `${parts.join('; ')}\n`
}
