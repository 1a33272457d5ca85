// The few kinds of objects that the API server of the tests knows, with the fields that it reads or writes.

export interface Meta {
  name: string
  namespace: string
  uid: string
  resourceVersion: string
  creationTimestamp: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: { kind: string; name: string; uid: string }[]
}

interface Condition {
  type: string
  status: 'True' | 'False'
  reason?: string
  message?: string
  lastTransitionTime?: string
}

interface Container {
  name: string
  image: string
  command?: string[]
  args?: string[]
  env?: { name: string; value?: string }[]
  terminationMessagePath?: string
  terminationMessagePolicy?: string
  volumeMounts?: { name: string; mountPath: string }[]
}

export interface PodSpec {
  containers: Container[]
  volumes?: { name: string; configMap?: { name: string } }[]
  terminationGracePeriodSeconds?: number
}

export interface Job {
  kind: 'Job'
  apiVersion: 'batch/v1'
  metadata: Meta
  spec: {
    backoffLimit?: number
    activeDeadlineSeconds?: number
    ttlSecondsAfterFinished?: number
    template: { metadata?: Partial<Meta>; spec: PodSpec }
  }
  status: {
    startTime?: string
    completionTime?: string
    active?: number
    ready?: number
    succeeded?: number
    failed?: number
    conditions?: Condition[]
  }
}

export interface Pod {
  kind: 'Pod'
  apiVersion: 'v1'
  metadata: Meta
  spec: PodSpec
  status: {
    phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed'
    reason?: string
    message?: string
    conditions?: Condition[]
    containerStatuses?: { name: string; state: Record<string, Record<string, unknown>> }[]
  }
}

export interface ConfigMap {
  kind: 'ConfigMap'
  apiVersion: 'v1'
  metadata: Meta
  data?: Record<string, string>
}

export type Stored = Job | Pod | ConfigMap

/** What goes wrong, as the API says it. */
export class ApiStatus extends Error {
  readonly code: number
  readonly reason: string
  readonly headers: Record<string, string>

  constructor(code: number, reason: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.code = code
    this.reason = reason
    this.headers = headers
  }

  get body(): object {
    const { code, reason, message } = this
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message }
  }
}

export const isFinished = ({ status }: Job): boolean =>
  status.conditions?.some(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  ) ?? false

/** Seconds, as the API writes times. */
export const apiTime = (ms = Date.now()): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
