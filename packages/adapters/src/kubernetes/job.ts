// The Job of a task: its name, what is written on it, and its manifest.
import { createHash } from 'node:crypto'
import type { V1ConfigMap, V1Job } from '@kubernetes/client-node'
import type { Run } from '@poolmesh/core'
import { isId, type JobTemplate } from '@poolmesh/types'
import { traceHeaders } from '../trace-context.ts'

const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  task: 'poolmesh/task',
  attempt: 'poolmesh/attempt',
  pool: 'poolmesh/pool',
} as const
/** Ids as they are; not all of them may be the value of a label. */
const ANNOTATIONS = { task: 'poolmesh/task-id', pool: 'poolmesh/pool-name' } as const

export const MANAGED = `${LABELS.managedBy}=poolmesh`
/** Others may be added to a pod by the cluster. */
export const CONTAINER = 'task'
/** Where a container may write its result: the kubelet reads that file when it has ended. */
const RESULT_FILE = '/dev/termination-log'
const TASK_FOLDER = '/poolmesh'
const TASK_FILE = 'task.json'
/** Linux takes 128 KiB for one variable at most, and each `$` is written twice. */
const MAX_ENV_BYTES = 120 * 1024
/** The API stores 1 MiB in a ConfigMap at most. */
export const MAX_TASK_BYTES = 1024 * 1024 - 4_096
const NAME_HASH = 16

const hash = (...parts: string[]): string => createHash('sha256').update(parts.join('\0')).digest('hex')

/** A task has one Job in a pool at a time, whatever the number of its run: the API refuses a second one of that name. */
export function jobName(pool: string, taskId: string): string {
  const readable = taskId
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, 36)
    .replace(/^-+|-+$/g, '')
  return `pm-${readable === '' ? 'task' : readable}-${hash(pool, taskId).slice(0, NAME_HASH)}`
}

/** The value of a label: the id, or what stands for it. */
const labelValue = (id: string): string =>
  /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/.test(id) ? id : `h-${hash(id).slice(0, 40)}`

/** Which Jobs are those of a pool. */
export const selectorOf = (pool: string): string => `${MANAGED},${LABELS.pool}=${labelValue(pool)}`

/** What is written on a Job of ours; null: it is not one. */
export function writtenOn({ metadata }: V1Job): { pool: string; taskId: string; attempt: number } | null {
  const taskId = metadata?.annotations?.[ANNOTATIONS.task]
  const pool = metadata?.annotations?.[ANNOTATIONS.pool]
  const attempt = Number(metadata?.labels?.[LABELS.attempt])
  return isId(taskId) && isId(pool) && Number.isSafeInteger(attempt) ? { pool, taskId, attempt } : null
}

/** A change of a Job's run number, for who goes on with it. */
export const attemptPatch = (attempt: number, resourceVersion: string | undefined): object => ({
  metadata: {
    labels: { [LABELS.attempt]: String(attempt) },
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  },
})

/** `$(NAME)` in a value is a reference; `$$` is a `$`. */
const literal = (text: string): string => text.replaceAll('$', '$$$$')

const inEnvironment = (task: string): boolean => Buffer.byteLength(literal(task)) <= MAX_ENV_BYTES

/**
 * @param task as JSON; it goes into the environment, and where it is too large for that into a file
 */
export function jobOf(run: Run, template: JobTemplate, task: string): V1Job {
  const { name: pool } = run.pool
  const { task_id: taskId, timeout } = run.entry.task
  const name = jobName(pool, taskId)
  const labels = {
    [LABELS.managedBy]: 'poolmesh',
    [LABELS.task]: labelValue(taskId),
    [LABELS.attempt]: String(run.attempt),
    [LABELS.pool]: labelValue(pool),
  }
  const small = inEnvironment(task)
  const { traceparent, tracestate } = traceHeaders(run.entry.task)
  const env = Object.entries({
    ...template.env,
    ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
    ...(tracestate === undefined ? {} : { TRACESTATE: tracestate }),
    POOLMESH_TASK_ID: taskId,
    POOLMESH_ATTEMPT: String(run.attempt),
    POOLMESH_POOL: pool,
    POOLMESH_RESULT_FILE: RESULT_FILE,
    ...(small ? { POOLMESH_TASK: task } : { POOLMESH_TASK_FILE: `${TASK_FOLDER}/${TASK_FILE}` }),
  }).map(([key, value]) => ({ name: key, value: literal(value) }))
  const { command, args, resources, service_account, node_selector, tolerations } = template
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: template.namespace,
      labels,
      annotations: { [ANNOTATIONS.task]: taskId, [ANNOTATIONS.pool]: pool },
    },
    spec: {
      // Retries are poolmesh's.
      backoffLimit: 0,
      activeDeadlineSeconds: timeout,
      ttlSecondsAfterFinished: template.ttl_seconds,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          ...(service_account === undefined
            ? { automountServiceAccountToken: false }
            : { serviceAccountName: service_account }),
          ...(node_selector === undefined ? {} : { nodeSelector: node_selector }),
          ...(tolerations === undefined ? {} : { tolerations: tolerations.map(defined) }),
          ...(template.image_pull_secrets === undefined
            ? {}
            : { imagePullSecrets: template.image_pull_secrets.map((secret) => ({ name: secret })) }),
          ...(template.grace_seconds === undefined
            ? {}
            : { terminationGracePeriodSeconds: template.grace_seconds }),
          ...(small ? {} : { volumes: [{ name: CONTAINER, configMap: { name: `${name}-${run.attempt}` } }] }),
          containers: [
            {
              name: CONTAINER,
              image: template.image,
              env,
              terminationMessagePath: RESULT_FILE,
              terminationMessagePolicy: 'FallbackToLogsOnError',
              ...(command === undefined ? {} : { command }),
              ...(args === undefined ? {} : { args }),
              ...(resources === undefined ? {} : { resources: defined(resources) }),
              ...(template.image_pull_policy === undefined
                ? {}
                : { imagePullPolicy: template.image_pull_policy }),
              ...(small
                ? {}
                : { volumeMounts: [{ name: CONTAINER, mountPath: TASK_FOLDER, readOnly: true }] }),
            },
          ],
        },
      },
    },
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<T>

/** Whether its task is in a file, which has to be made besides. */
export const wantsFile = ({ spec }: V1Job): boolean => (spec?.template.spec?.volumes?.length ?? 0) > 0

/** The file of a task that is too large for the environment; it goes when its Job goes. @param job as the API has it */
export function configMapOf({ metadata, spec }: V1Job, task: string): V1ConfigMap {
  const { name = '', namespace = '', uid = '', labels = {} } = metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: spec?.template.spec?.volumes?.[0]?.configMap?.name ?? name,
      namespace,
      labels,
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
    },
    data: { [TASK_FILE]: task },
  }
}
