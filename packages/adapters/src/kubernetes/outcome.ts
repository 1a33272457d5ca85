// What became of a Job, from its conditions and its pod. Pure: all that was read is an argument.
import type { V1Job, V1Pod } from '@kubernetes/client-node'
import type { Answer } from '@poolmesh/core'
import { isJsonObject, type PoolAnswer, parseJson, parsePoolAnswer } from '@poolmesh/types'
import { CONTAINER } from './job.ts'

/** A line of the log that begins with it is the result, for what is larger than a termination message. */
const FRAME = 'poolmesh-result:'
const STATUSES = new Set(['completed', 'failed', 'cancelled', 'timeout'])

export type Outcome =
  | { kind: 'answer'; answer: Answer }
  /** It ended through no fault of the task's. */
  | { kind: 'lost'; problem: string }

type Ended = { how: 'complete' } | { how: 'failed'; reason: string; message: string }

export const isCompleted = (outcome: Outcome): boolean =>
  outcome.kind === 'answer' &&
  outcome.answer.kind === 'answer' &&
  outcome.answer.answer.status === 'completed'

/** How a Job ended; null: it goes on. */
export function endOf({ status }: V1Job): Ended | null {
  for (const { type, status: value, reason, message } of status?.conditions ?? []) {
    if (value !== 'True') continue
    if (type === 'Complete') return { how: 'complete' }
    if (type === 'Failed') return { how: 'failed', reason: reason ?? '', message: message ?? '' }
  }
  return null
}

const stateIn = (pod: V1Pod | undefined) =>
  pod?.status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.state
const terminatedIn = (pod: V1Pod | undefined) => stateIn(pod)?.terminated

/** Of a Job that ended well and wrote no termination message the result may be in its log. */
export const needsLog = (job: V1Job, pod: V1Pod | undefined): boolean =>
  pod !== undefined && endOf(job)?.how === 'complete' && !terminatedIn(pod)?.message?.trim()

/**
 * @param job one that has ended
 * @param pod its pod, where it is still there
 * @param log the end of what it printed, where {@link needsLog}
 * @param cut whether the log is longer than what was read
 */
export function outcomeOf(job: V1Job, pod: V1Pod | undefined, log: string, cut: boolean): Outcome {
  const end = endOf(job)
  const terminated = terminatedIn(pod)
  const message = terminated?.message?.trim() ?? ''
  if (end?.how === 'complete') {
    if (pod === undefined)
      return { kind: 'lost', problem: 'the Job has completed, and its pod with the result is gone' }
    return {
      kind: 'answer',
      answer: completed(message === '' ? lastLine(log) : message, message === '', cut),
    }
  }
  if (end?.reason === 'DeadlineExceeded')
    return answered({ status: 'timeout', error: 'the Job ran longer than its deadline (DeadlineExceeded)' })
  const evicted = evictedIn(pod)
  if (evicted !== null) return { kind: 'lost', problem: evicted }
  if (pod === undefined)
    return { kind: 'lost', problem: `the Job failed and its pod is gone: ${end?.message ?? ''}` }
  if (terminated?.reason === 'OOMKilled')
    return answered({
      status: 'failed',
      error: `out of memory: the container was killed (OOMKilled)${limitIn(pod)}`,
    })
  const said = resultIn(message)
  if (said !== null && said.status !== 'completed') return answered(said)
  const code = terminated?.exitCode
  const why = message === '' ? '' : `: ${message}`
  return answered({
    status: 'failed',
    error:
      code === undefined
        ? `the Job failed (${end?.reason || 'no reason given'})`
        : `the container ended with exit code ${code}${why}`,
  })
}

const answered = (answer: PoolAnswer): Outcome => ({ kind: 'answer', answer: { kind: 'answer', answer } })

/** The node was short of something, or was taken away. */
function evictedIn(pod: V1Pod | undefined): string | null {
  const { reason, message, conditions } = pod?.status ?? {}
  const disrupted = conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True')
  if (reason !== 'Evicted' && reason !== 'NodeLost' && !disrupted) return null
  const why = message ?? disrupted?.message ?? disrupted?.reason ?? ''
  return `evicted: the pod was taken from its node${why === '' ? '' : ` (${why.slice(0, 200)})`}`
}

function limitIn(pod: V1Pod): string {
  const limit = pod.spec?.containers.find(({ name }) => name === CONTAINER)?.resources?.limits?.['memory']
  return limit === undefined ? '' : `, its limit is ${limit}`
}

function lastLine(log: string): string {
  const last = log.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return last.startsWith(FRAME) ? last.slice(FRAME.length).trim() : ''
}

/** Of a container that ended well: no result is no output. */
function completed(text: string, fromLog: boolean, cut: boolean): Answer {
  if (text === '') return { kind: 'answer', answer: { status: 'completed' } }
  try {
    const value = parseJson(text, 'the result')
    if (!isJsonObject(value)) return { kind: 'invalid', problem: 'the Job’s result is no JSON object' }
    if (!STATUSES.has(String(value['status'])))
      return { kind: 'answer', answer: { status: 'completed', output: value } }
    const parsed = parsePoolAnswer(value)
    return parsed.ok
      ? { kind: 'answer', answer: parsed.answer }
      : { kind: 'invalid', problem: `the Job’s result is no DistributedTaskResult: ${parsed.error.message}` }
  } catch (error) {
    const where = fromLog
      ? `the last line of its log${cut ? ', which is larger than is read,' : ''}`
      : 'its termination message'
    return {
      kind: 'invalid',
      problem: `the Job’s result in ${where} is not JSON: ${(error as Error).message}`,
    }
  }
}

/** A DistributedTaskResult; null: it is none. */
function resultIn(text: string): PoolAnswer | null {
  if (!text.startsWith('{')) return null
  try {
    const value = parseJson(text, 'the result')
    if (!isJsonObject(value) || !STATUSES.has(String(value['status']))) return null
    const parsed = parsePoolAnswer(value)
    return parsed.ok ? parsed.answer : null
  } catch {
    return null
  }
}

/** Reasons for which a container waits that do not go by themselves soon. */
const STUCK = new Map([
  ['ImagePullBackOff', 'image pull'],
  ['InvalidImageName', 'image pull'],
  ['ErrImageNeverPull', 'image pull'],
  ['CreateContainerConfigError', 'container'],
  ['CreateContainerError', 'container'],
  ['RunContainerError', 'container'],
])

/**
 * Why a pod does not begin.
 * @param waited whether it has had all the time that it may take
 * @returns null: it may still begin
 */
export function hindranceOf(pod: V1Pod | undefined, waited: boolean): string | null {
  const waiting = stateIn(pod)?.waiting
  const kind = STUCK.get(waiting?.reason ?? '')
  if (kind !== undefined) return `${kind}: ${waiting?.reason}${detail(waiting?.message)}`
  if (!waited) return null
  if (pod === undefined)
    return 'no pod was made for the Job: a quota of the namespace or an admission rule may forbid it'
  const unfit = pod.status?.conditions?.find(
    ({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable',
  )
  return unfit
    ? `unschedulable: no node takes the pod${detail(unfit.message)}`
    : `the pod has not begun${detail(waiting?.reason)}`
}

const detail = (text: string | undefined): string => (text ? ` (${text.slice(0, 300)})` : '')
