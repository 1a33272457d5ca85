// A result as a text that people and full-text search can read.
import type { DistributedTaskResult } from '@poolmesh/types'

/** Of a text; embeddings look at less than that, and what is searched for is rarely further down. */
const MAX_CHARACTERS = 8_000
/** How deep an output is written out. */
const MAX_LEVELS = 8

/** The beginning by which a task is found again in what a server answers as text. */
const HEAD = /\bTask ([A-Za-z0-9_-]{1,64}) (?:completed|failed|timeout|cancelled)\b/g

/** What a list has before its next entry. */
const NEXT = /\n\s*(?:\d+[.)]|[-*•])?\s*$/

/** `Task <id> <status> on <pool>`, its error, and each value of its output on a line with its path. Never under 10 characters. */
export function memoryText(result: DistributedTaskResult): string {
  const { task_id, status, pool_name, error, output } = result
  const lines = [`Task ${task_id} ${status}${pool_name === null ? '' : ` on ${pool_name}`}`]
  if (error !== null) lines.push(`error: ${error}`)
  let room = MAX_CHARACTERS - lines.join('\n').length
  for (const line of linesOf(output, '', MAX_LEVELS)) {
    if (room <= 0) break
    lines.push(line.slice(0, room))
    room -= line.length + 1
  }
  return wellFormed(lines.join('\n').slice(0, MAX_CHARACTERS))
}

function* linesOf(value: unknown, path: string, levels: number): Generator<string> {
  if (value === null || value === undefined) return
  if (typeof value !== 'object') yield path === '' ? String(value) : `${path}: ${value}`
  else if (levels > 0)
    for (const [key, inner] of Object.entries(value))
      yield* linesOf(inner, path === '' ? key : `${path}.${key}`, levels - 1)
}

/** Half of a pair of surrogates, which a cut leaves, is no valid JSON text for some. */
const wellFormed = (text: string): string => text.toWellFormed()

/** The parts of a text that are about tasks of ours, each from its head to the next one. */
export function tasksIn(text: string): { task_id: string; text: string }[] {
  const heads = [...text.matchAll(HEAD)]
  return heads.map((head, i) => ({
    task_id: head[1] as string,
    text: text
      .slice(head.index, heads[i + 1]?.index)
      .replace(NEXT, '')
      .trim(),
  }))
}
