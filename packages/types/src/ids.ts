import * as z from 'zod'
import { MAX_BATCH_TASKS } from './subjects.ts'

/** Task ids and pool names: each is one subject token. */
export const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/

export const idSchema = z
  .string()
  .regex(ID_PATTERN, 'must be 1 to 64 of the characters A-Z a-z 0-9 _ - (it is a part of a subject)')

const IN_IDS = Array.from({ length: 128 }, (_, code) => /[A-Za-z0-9_-]/.test(String.fromCharCode(code)))

/** As {@link ID_PATTERN} says; asked of every task and every answer, several times. */
export function isId(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > 64) return false
  for (let i = 0; i < value.length; i++) if (IN_IDS[value.charCodeAt(i)] !== true) return false
  return true
}

/** The id of the task at `index` in the batch `batch`. */
export const taskIdInBatch = (batch: string, index: number): string => `${batch}-${index}`

/** The batch that a task id may belong to by its form, `<batch>-<index>`, or null. The batch may not exist. */
export function batchOfTaskId(taskId: string): string | null {
  const match = /^(.+)-(0|[1-9]\d{0,2})$/.exec(taskId)
  return match && Number(match[2]) < MAX_BATCH_TASKS ? match[1]! : null
}
