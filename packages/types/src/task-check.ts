// The checks on the path that every task and every answer takes. zod costs 1–3 µs there; these cost a tenth. They only
// ever *accept*: whatever they do not accept goes to the zod schema, which decides and says what is wrong. So the
// schemas stay the one definition, and a check here that is too strict costs time, not correctness.
import * as z from 'zod'
import { isTerminal, type RoutingStrategy } from './enums.ts'
import { PoolmeshError } from './errors.ts'
import { isId } from './ids.ts'
import { isJsonObject } from './json-object.ts'
import { type PoolAnswer, poolAnswerSchema } from './result.ts'
import {
  completeTask,
  DEFAULT_PRIORITY,
  DEFAULT_TIMEOUT_S,
  type DistributedTask,
  fanOutSchema,
  isTaskType,
  taskInputSchema,
} from './task.ts'
import { invalidInput, keepProto } from './validate.ts'

export interface ParseTaskOptions {
  /** Used where the input has no `task_id`. */
  taskId?: string
  /** Used where the input names no strategy; `least_loaded` if left out. */
  defaultStrategy?: RoutingStrategy
}

export type ParsedTask = { ok: true; task: DistributedTask } | { ok: false; error: PoolmeshError }
export type ParsedAnswer = { ok: true; answer: PoolAnswer } | { ok: false; error: PoolmeshError }

type Fields = Record<string, unknown>

const NOT_BEFORE = z.regexes.datetime({ offset: true })

const isIntIn = (value: unknown, min: number, max: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

const isNumberIn = (value: unknown, min: number, max: number): value is number =>
  typeof value === 'number' && value >= min && value <= max

const isStrategy = (value: unknown): value is RoutingStrategy =>
  value === 'least_loaded' ||
  value === 'round_robin' ||
  value === 'capability_based' ||
  value === 'region_aware' ||
  value === 'affinity'

function isStrings(value: unknown): value is string[] {
  if (!Array.isArray(value)) return false
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== 'string') return false
  return true
}

/** True: valid by `taskInputSchema`, apart from `fan_out`. False: ask the schema. */
function isPlainlyValid(task: Fields): boolean {
  return (
    isTaskType(task['task_type']) &&
    isJsonObject(task['payload']) &&
    (task['task_id'] === undefined || isId(task['task_id'])) &&
    (task['required_capabilities'] === undefined || isStrings(task['required_capabilities'])) &&
    (task['routing_strategy'] === undefined || isStrategy(task['routing_strategy'])) &&
    (task['timeout'] === undefined || isIntIn(task['timeout'], 1, 3600)) &&
    (task['priority'] === undefined || isIntIn(task['priority'], 0, 100)) &&
    (task['metadata'] === undefined || isJsonObject(task['metadata'])) &&
    (task['queue_timeout'] === undefined || isNumberIn(task['queue_timeout'], 1, 604_800)) &&
    (task['max_attempts'] === undefined || isIntIn(task['max_attempts'], 1, 20)) &&
    (task['idempotent'] === undefined || typeof task['idempotent'] === 'boolean') &&
    (task['not_before'] == null ||
      (typeof task['not_before'] === 'string' && NOT_BEFORE.test(task['not_before']))) &&
    (task['pool'] == null || isId(task['pool']))
  )
}

/** The hand-written twin of {@link completeTask} for an input that has no defaults yet. */
const complete = (input: Fields, taskId: string, strategy: RoutingStrategy): DistributedTask =>
  completeFields(input, taskId, {
    timeout: (input['timeout'] as number | undefined) ?? DEFAULT_TIMEOUT_S,
    required_capabilities: (input['required_capabilities'] as string[] | undefined) ?? [],
    metadata: (input['metadata'] as Fields | undefined) ?? {},
    routing_strategy: strategy,
  })

interface Given {
  timeout: number
  required_capabilities: string[]
  metadata: Fields
  /** Where the input has none. */
  routing_strategy?: RoutingStrategy
}

/**
 * The task with what is given, and of the rest what the input has, or the default. Nothing is checked.
 * @param input `task_type` and `payload` at least
 */
export function completeFields(input: Fields, taskId: string, given: Given): DistributedTask {
  const { timeout } = given
  // All fields at once: an object that grows is made several times over. What is not known follows.
  const task: DistributedTask = {
    task_id: taskId,
    task_type: input['task_type'] as string,
    payload: input['payload'] as Fields,
    required_capabilities: given.required_capabilities,
    routing_strategy:
      (input['routing_strategy'] as RoutingStrategy | undefined) ?? given.routing_strategy ?? 'least_loaded',
    timeout,
    priority: (input['priority'] as number | undefined) ?? DEFAULT_PRIORITY,
    metadata: given.metadata,
    queue_timeout: (input['queue_timeout'] as number | undefined) ?? timeout,
    max_attempts: (input['max_attempts'] as number | undefined) ?? 1,
    idempotent: (input['idempotent'] as boolean | undefined) ?? false,
  }
  for (const key in input) if (!isFilledIn(key)) setOwn(task, key, input[key])
  return task
}

/** Names of parsed JSON are the same strings as these, so that comparing costs less than a set. */
const isFilledIn = (key: string): boolean =>
  key === 'task_id' ||
  key === 'task_type' ||
  key === 'payload' ||
  key === 'required_capabilities' ||
  key === 'routing_strategy' ||
  key === 'timeout' ||
  key === 'priority' ||
  key === 'metadata' ||
  key === 'queue_timeout' ||
  key === 'max_attempts' ||
  key === 'idempotent'

function setOwn(object: Fields, key: string, value: unknown): void {
  if (key === '__proto__') keepProto({ ['__proto__']: value }, object)
  else object[key] = value
}

/** The id that is to be used has been made from a subject, which may be anything. */
function badId(taskId: string | undefined): PoolmeshError {
  const message =
    taskId === undefined ? 'is missing' : 'would be one that is no id (1 to 64 of A-Z a-z 0-9 _ -)'
  return new PoolmeshError('INVALID_INPUT', `the task is not valid at task_id: ${message}`, [
    { path: 'task_id', message },
  ])
}

/**
 * Checks a task as `taskInputSchema` does and fills in every default (`queue_timeout`: `timeout`). The task is a new
 * object; payload, metadata and the lists are the input's own, not copies.
 * @returns the task, or INVALID_INPUT with an issue for each fault; a task that has no id from either side included
 */
export function parseTask(value: unknown, options: ParseTaskOptions = {}): ParsedTask {
  const strategy = options.defaultStrategy ?? 'least_loaded'
  if (isJsonObject(value) && isPlainlyValid(value)) {
    const taskId = (value['task_id'] as string | undefined) ?? options.taskId
    if (value['fan_out'] == null)
      return isId(taskId)
        ? { ok: true, task: complete(value, taskId, strategy) }
        : { ok: false, error: badId(taskId) }
    const fanOut = fanOutSchema.safeParse(value['fan_out'])
    if (fanOut.success && value['pool'] == null && isId(taskId))
      return { ok: true, task: { ...complete(value, taskId, strategy), fan_out: fanOut.data } }
  }
  const parsed = taskInputSchema.safeParse(value)
  if (!parsed.success) return { ok: false, error: invalidInput(parsed.error, 'the task') }
  const taskId = parsed.data.task_id ?? options.taskId
  if (!isId(taskId)) return { ok: false, error: badId(taskId) }
  return { ok: true, task: completeTask(keepProto(value, parsed.data), taskId, strategy) }
}

/** Checks what a pool answered as `poolAnswerSchema` does. The answer is the value itself, or the error INVALID_INPUT. */
export function parsePoolAnswer(value: unknown): ParsedAnswer {
  if (
    isJsonObject(value) &&
    isTerminal(value['status']) &&
    (value['task_id'] === undefined || isId(value['task_id'])) &&
    (value['output'] == null || isJsonObject(value['output'])) &&
    (value['error'] == null || typeof value['error'] === 'string') &&
    (value['duration'] == null || isNumberIn(value['duration'], 0, Number.MAX_VALUE)) &&
    (value['metadata'] == null || isJsonObject(value['metadata']))
  )
    return { ok: true, answer: value as PoolAnswer }
  const parsed = poolAnswerSchema.safeParse(value)
  if (!parsed.success) return { ok: false, error: invalidInput(parsed.error, 'the answer') }
  return { ok: true, answer: keepProto(value, parsed.data) }
}
