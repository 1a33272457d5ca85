import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Written } from './events.ts'

/** The lines of a history, in the order of the file. @throws Error that names a line which is no JSON */
export async function* readHistory(path: string): AsyncGenerator<Written, void, void> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  let number = 0
  for await (const line of lines) {
    number++
    if (line === '') continue
    let event: Written
    try {
      event = JSON.parse(line)
    } catch {
      throw new Error(`${path}:${number} is no line of a history: ${line.slice(0, 80)}`)
    }
    yield event
  }
}
