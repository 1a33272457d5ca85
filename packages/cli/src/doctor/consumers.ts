// The consumers of the stream of tasks: those that services share, and those of the executor that dispatches.
import {
  type ConsumerInfo,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream'
import {
  type ConsumerSettings,
  FEEDS,
  type Feed,
  feedOfConsumer,
  laneConsumer,
  sharedConsumers,
  type TopologyOptions,
} from '@poolmesh/bus'
import { STREAMS } from '@poolmesh/types'
import { consumerFinding } from './differences.ts'
import { absence, type Finding, fail, ok } from './finding.ts'

const MADE_ANEW = 'Restart the executors: the one that takes over makes these anew.'

export async function consumerFindings(jsm: JetStreamManager, topology: TopologyOptions): Promise<Finding[]> {
  const there: ConsumerInfo[] = []
  try {
    for await (const info of jsm.consumers.list(STREAMS.tasks)) there.push(info)
  } catch (error) {
    if (codeOf(error) === JetStreamApiCodes.StreamNotFound) return []
    throw error
  }
  const shared = sharedConsumers(topology).map((wanted) => ({
    wanted,
    found: there.filter(({ name }) => name === wanted.durable_name),
  }))
  const lanes = FEEDS.map(({ feed }) => {
    const found = there.filter(({ name }) => feedOfConsumer(name) === feed)
    return { feed, wanted: laneConsumer(feed, found[0]?.name ?? ''), found }
  })
  const unlisted = shared
    .filter(({ found }) => found.length === 0)
    .map(({ wanted }) => wanted.durable_name ?? '')
  const absent = await absence('consumers', unlisted, (name) => jsm.consumers.info(STREAMS.tasks, name))
  const compared = (
    [found]: ConsumerInfo[],
    wanted: ConsumerSettings,
    setsBack?: string,
  ): Finding | never[] =>
    (found && consumerFinding(STREAMS.tasks, { ...found.config }, { ...wanted }, setsBack)) ?? []
  const different = [
    ...shared.flatMap(({ found, wanted }) => compared(found, wanted)),
    ...lanes.flatMap(({ found, wanted }) => compared(found, wanted, MADE_ANEW)),
  ]
  return [absent ?? ok('consumers', 'those that services share are there'), laneFinding(lanes), ...different]
}

/** An executor that begins to dispatch makes one for each lane, and one for what comes back into it. */
function laneFinding(lanes: readonly { feed: Feed; found: readonly ConsumerInfo[] }[]): Finding {
  const missing = lanes.filter(({ found }) => found.length === 0).map(({ feed }) => feed)
  if (missing.length === 0) return ok('lanes', `all ${lanes.length} consumers are there`)
  const what = missing.length === lanes.length ? 'any lane' : `the lanes ${missing.join(', ')}`
  return fail(
    'lanes',
    `no consumer for ${what}: no executor takes tasks from there`,
    'Look again in a moment; then restart the executors, or start one: npm run service -- executor.',
  )
}

const codeOf = (error: unknown): number => (error instanceof JetStreamApiError ? error.code : 0)
