// What a Job of a Kubernetes pool looks like: `metadata.kubernetes` of the pool's descriptor (docs/kubernetes.md).
import * as z from 'zod'

/** Once a Job has ended it stays for as long as an executor may take to come back. */
const DEFAULT_TTL_S = 600
/** A node may have to be added, or an image to be pulled. */
const DEFAULT_START_S = 120

const required = { error: 'is required, as a text' }
const label = z
  .string(required)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be a DNS label: a-z, 0-9 and -')
/** Names of the API: a DNS subdomain. */
const name = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    'must be a DNS name: a-z, 0-9, - and .',
  )
const quantity = z
  .union([z.string(), z.number().transform(String)])
  .pipe(
    z
      .string()
      .regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$/, 'must be a quantity such as 500m or 2Gi'),
  )
const quantities = z.record(z.string().min(1), quantity)
const strings = z.record(z.string().min(1), z.string())

export const jobTemplateSchema = z.strictObject({
  namespace: label,
  image: z.string(required).min(1),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  resources: z.strictObject({ requests: quantities.optional(), limits: quantities.optional() }).optional(),
  service_account: name.optional(),
  node_selector: strings.optional(),
  tolerations: z
    .array(
      z.strictObject({
        key: z.string().optional(),
        operator: z.enum(['Exists', 'Equal']).optional(),
        value: z.string().optional(),
        effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
      }),
    )
    .optional(),
  image_pull_policy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  image_pull_secrets: z.array(name).optional(),
  /** Seconds that a container has to end when its task is given up; the cluster's own default is 30. */
  grace_seconds: z.int().min(0).max(600).optional(),
  /** Seconds that the Job is kept once it has ended. */
  ttl_seconds: z.int().min(60).max(86_400).default(DEFAULT_TTL_S),
  /** Seconds after which a pod that was not started is given up. */
  start_seconds: z.int().min(1).max(3_600).default(DEFAULT_START_S),
})

export type JobTemplate = z.output<typeof jobTemplateSchema>
