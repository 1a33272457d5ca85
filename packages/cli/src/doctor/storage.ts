// JetStream: on, within the limits of the account, and with what the services make when they start.
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { EXPECTED_STREAMS, FANOUT_CONSUMER, INTAKE_CONSUMER } from '@poolmesh/bus'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { STREAMS } from '@poolmesh/types'
import { type Finding, fail, mebibytes, messageOf, ok, usage } from './finding.ts'

const REMADE = 'Restart a service, such as the registry: services make what is missing when they start.'
const ROOM = 'Raise the limit of the account, or remove streams that nobody needs.'

export async function storageFindings({ connection: nc }: DistributedPoolSystem): Promise<Finding[]> {
  try {
    const jsm = await jetstreamManager(nc)
    return [
      ok('jetstream', 'is on'),
      ...(await limitFindings(jsm)),
      ...(await streamFindings(jsm)),
      await consumerFinding(jsm),
    ]
  } catch (error) {
    const advice = /permission/i.test(messageOf(error))
      ? 'Allow the user to publish to $JS.API.>, or connect as another.'
      : 'Turn JetStream on in the configuration of the server, and for the account.'
    return [fail('jetstream', `does not answer: ${messageOf(error)}`, advice)]
  }
}

async function limitFindings(jsm: JetStreamManager): Promise<Finding[]> {
  const { storage, memory, streams, consumers, limits } = await jsm.getAccountInfo()
  const limited = [
    { what: 'storage', used: storage, limit: limits.max_storage, format: mebibytes },
    { what: 'memory', used: memory, limit: limits.max_memory, format: mebibytes },
    { what: 'streams', used: streams, limit: limits.max_streams, format: String },
    { what: 'consumers', used: consumers, limit: limits.max_consumers, format: String },
  ].filter(({ limit }) => limit > 0)
  if (limited.length === 0) return [ok('limits', 'the account has none')]
  return limited.map(({ what, used, limit, format }) =>
    usage(`limit of ${what}`, { used, limit, advice: ROOM }, format),
  )
}

async function streamFindings(jsm: JetStreamManager): Promise<Finding[]> {
  const there = new Map<string, { bytes: number; limit: number }>()
  for await (const { config, state } of jsm.streams.list())
    there.set(config.name, { bytes: state.bytes, limit: config.max_bytes })
  const missing = EXPECTED_STREAMS.filter((name) => !there.has(name))
  const tasks = there.get(STREAMS.tasks)
  const advice =
    'Add pools or executors, or raise POOLMESH_MAX_PENDING_BYTES: submissions are refused when it is full.'
  return [
    missing.length === 0
      ? ok('streams', `all ${EXPECTED_STREAMS.length} are there`)
      : fail('streams', `missing: ${missing.join(', ')}`, REMADE),
    ...(tasks && tasks.limit > 0
      ? [usage('pending tasks', { used: tasks.bytes, limit: tasks.limit, advice }, mebibytes)]
      : []),
  ]
}

async function consumerFinding(jsm: JetStreamManager): Promise<Finding> {
  const missing: string[] = []
  for (const name of [INTAKE_CONSUMER, FANOUT_CONSUMER])
    await jsm.consumers.info(STREAMS.tasks, name).catch(() => missing.push(name))
  return missing.length === 0
    ? ok('consumers', 'those that services share are there')
    : fail('consumers', `missing: ${missing.join(', ')}`, REMADE)
}
