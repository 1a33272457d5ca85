// JetStream: on, within the limits of the account, and with what the services make when they start.
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream'
import { loadSettings, streamsOf, type TopologyOptions, topologyOf } from '@poolmesh/bus'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { STREAMS } from '@poolmesh/types'
import { consumerFindings } from './consumers.ts'
import { copiesFinding, streamFinding } from './differences.ts'
import { absence, type Finding, fail, formatBytes, messageOf, ok, usage } from './finding.ts'

const ROOM = 'Raise the limit of the account, or remove streams that nobody needs.'

export async function storageFindings({ connection: nc }: DistributedPoolSystem): Promise<Finding[]> {
  // As the services here would have it.
  const topology = topologyOf(loadSettings())
  try {
    const jsm = await jetstreamManager(nc)
    return [
      ok('jetstream', 'is on'),
      ...(await limitFindings(jsm)),
      ...(await streamFindings(jsm, topology)),
      ...(await consumerFindings(jsm, topology)),
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
    { what: 'storage', used: storage, limit: limits.max_storage, format: formatBytes },
    { what: 'memory', used: memory, limit: limits.max_memory, format: formatBytes },
    { what: 'streams', used: streams, limit: limits.max_streams, format: String },
    { what: 'consumers', used: consumers, limit: limits.max_consumers, format: String },
  ].filter(({ limit }) => limit > 0)
  if (limited.length === 0) return [ok('limits', 'the account has none')]
  return limited.map(({ what, used, limit, format }) =>
    usage(`limit of ${what}`, { used, limit, advice: ROOM }, format),
  )
}

async function streamFindings(jsm: JetStreamManager, topology: TopologyOptions): Promise<Finding[]> {
  const there = new Map<string, StreamInfo>()
  for await (const info of jsm.streams.list()) there.set(info.config.name, info)
  const expected = streamsOf(topology)
  const unlisted = expected.map(({ name }) => name).filter((name) => !there.has(name))
  const absent = await absence('streams', unlisted, (name) => jsm.streams.info(name))
  const ours = expected.flatMap((wanted) => {
    const found = there.get(wanted.name)
    return found ? [{ wanted, found }] : []
  })
  const different = ours.flatMap(({ wanted, found }) => streamFinding({ ...found.config }, wanted) ?? [])
  const all = `all ${expected.length} are there`
  return [
    absent ?? ok('streams', different.length === 0 ? `${all}, as this version makes them` : all),
    ...different,
    ...(ours.length === 0
      ? []
      : [
          copiesOf(
            ours.map(({ found }) => found),
            topology,
          ),
        ]),
    ...fullness(there.get(STREAMS.tasks)),
  ]
}

const copiesOf = (streams: readonly StreamInfo[], { replicas, resize }: TopologyOptions): Finding =>
  copiesFinding(
    streams.map(({ config }) => ({ name: config.name, copies: config.num_replicas })),
    resize ? replicas : null,
  )

function fullness(tasks: StreamInfo | undefined): Finding[] {
  if (!tasks || tasks.config.max_bytes <= 0) return []
  const advice =
    'Add pools or executors, or raise POOLMESH_MAX_PENDING_BYTES: submissions are refused when it is full.'
  return [
    usage('pending tasks', { used: tasks.state.bytes, limit: tasks.config.max_bytes, advice }, formatBytes),
  ]
}
