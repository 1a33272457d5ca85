import { idSchema, PoolmeshError } from '@poolmesh/types'
import type { FastifyReply } from 'fastify'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { API_HEADERS } from '../http/headers.ts'
import { type Route, route } from '../http/route.ts'
import { frameOf, type Position, printPosition, readPosition } from '../live/frames.ts'
import type { Hub } from '../live/hub.ts'
import { stateOf } from '../live/task-watch.ts'
import { overviewEvent } from '../overview/overview.ts'

const GENERAL: ReadonlySet<string> = new Set(['overview', 'pools', 'tasks', 'alerts'])
const MAX_TOPICS = 50
/** Of events that somebody is told who comes back. */
const MAX_MISSED_BYTES = 1024 ** 2
/** How soon a browser comes back, milliseconds. */
const RETRY_MS = 1_000
/** These are told whole at the beginning, so that nothing of them can have been missed. */
const isTold = (topic: string): boolean => topic === 'overview' || topic.includes(':')

export function eventRoutes(gateway: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/events',
      id: 'events',
      tag: 'events',
      summary: 'What happens, as it happens: server-sent events.',
      query: z.object({
        topics: z
          .string()
          .max(8_192)
          .describe(
            'With commas between: overview, pools, tasks, alerts, task:{id}, pool:{name}; at most 50.',
          ),
        last_event_id: z.string().max(128).optional().describe('For those who cannot send the header.'),
      }),
      headers: { 'Last-Event-ID': 'The `id` of the last event that was had: what came since is told first.' },
      answers: { 200: { description: 'A stream without an end.', type: 'text/event-stream' } },
      handle: async ({ query, request, reply }) => {
        const topics = readTopics(query.topics)
        gateway.live.hub.requireRoom()
        const given = request.headers['last-event-id'] ?? query.last_event_id
        const position = typeof given === 'string' && given !== '' ? readPosition(given) : undefined
        await listen(gateway, reply, topics, position)
        return reply
      },
    }),
  ]
}

function readTopics(text: string): Set<string> {
  const topics = new Set(text.split(',').map((topic) => topic.trim()))
  const wrong = [...topics].find((topic) => !isTopic(topic))
  const message =
    wrong !== undefined
      ? `${JSON.stringify(wrong.slice(0, 100))} is none of overview, pools, tasks, alerts, task:{id}, pool:{name}`
      : topics.size > MAX_TOPICS
        ? `are more than ${MAX_TOPICS}`
        : null
  if (message === null) return topics
  throw new PoolmeshError('INVALID_INPUT', `the request is not valid at topics: ${message}`, [
    { path: 'topics', message },
  ])
}

function isTopic(topic: string): boolean {
  const [, id] = /^(?:task|pool):(.*)$/.exec(topic) ?? []
  return id === undefined ? GENERAL.has(topic) : idSchema.safeParse(id).success
}

/** @param position null: one that makes no sense, which counts as one that is too old; undefined: the listener is new */
async function listen(
  { live, executor }: Gateway,
  reply: FastifyReply,
  topics: Set<string>,
  position: Position | null | undefined,
): Promise<void> {
  const { hub } = live
  let begin = position ? missedEvents(hub, position, topics) : undefined
  if (begin === undefined) {
    // What takes a question comes first: from the last of them on, nothing may come in between.
    const tasks = await taskStates(executor, topics)
    const missed = position === undefined ? null : await missedSince(live, topics, position)
    begin = [...(missed?.() ?? []), ...snapshots(live, topics, tasks)]
  }
  const { raw: response } = reply
  if (response.destroyed) return
  reply.hijack()
  // The end of the connection is the end of the stream: chunks would only make each event larger.
  response.useChunkedEncodingByDefault = false
  response.writeHead(200, {
    ...API_HEADERS,
    'content-type': 'text/event-stream',
    'x-accel-buffering': 'no',
    connection: 'close',
  })
  response.socket?.setNoDelay(true)
  response.cork()
  response.write(`retry: ${RETRY_MS}\n\n`)
  // Not one buffer of them all: many who come back at the same time share what they missed.
  for (const bytes of begin) response.write(bytes)
  response.uncork()
  hub.add(response, topics)
}

/** Undefined: not all of it is kept, or it is more than a listener may have before it. */
function missedEvents(hub: Hub, position: Position, topics: Set<string>): Buffer[] | undefined {
  const missed = hub.missedSince(position, topics)?.map(({ bytes }) => bytes)
  const size = missed?.reduce((sum, { length }) => sum + length, 0) ?? 0
  return size > MAX_MISSED_BYTES ? undefined : missed
}

async function taskStates(executor: Gateway['executor'], topics: Set<string>): Promise<Map<string, unknown>> {
  const names = [...topics].filter((topic) => topic.startsWith('task:'))
  const states = await Promise.all(
    names.map((topic) => stateOf(executor, topic.slice('task:'.length)).catch(() => null)),
  )
  return new Map(names.map((name, i) => [name, states[i]]))
}

/** What is told whole at the beginning. A task that nobody knows yet is told when somebody does. */
function snapshots(live: Gateway['live'], topics: Set<string>, tasks: Map<string, unknown>): Buffer[] {
  const id = printPosition(live.hub.position)
  return [...topics].flatMap((topic) => {
    if (topic === 'overview') return [frameOf(id, topic, overviewEvent(live.overview()))]
    const name = topic.startsWith('pool:') ? topic.slice('pool:'.length) : null
    if (name !== null) return [frameOf(id, topic, { name, pool: live.pools.get(name) ?? null })]
    return tasks.get(topic) ? [frameOf(id, topic, tasks.get(topic))] : []
  })
}

/**
 * Alerts are stored, and told exactly; of the other topics it can only be said that something may be missing.
 * @returns what makes the events, at the moment from which on the listener hears by itself
 */
async function missedSince(
  live: Gateway['live'],
  topics: Set<string>,
  position: Position | null,
): Promise<() => Buffer[]> {
  const { hub, alerts } = live
  const wanted = topics.has('alerts')
  const read = wanted && position ? await alerts.since(position.alerts) : null
  const lost = [...topics].filter((topic) => !isTold(topic) && !(topic === 'alerts' && read !== null))
  return () => {
    const heard = alerts.sequence
    const last = read?.at(-1)?.sequence ?? position?.alerts ?? 0
    const found = read && [
      ...read.filter(({ sequence }) => sequence <= heard),
      ...alerts.kept.filter(({ sequence }) => sequence > last),
    ]
    const id = (alertsHad: number): string => printPosition({ ...hub.position, alerts: alertsHad })
    return [
      ...(found ?? []).map((alert) => frameOf(id(alert.sequence), 'alerts', alert)),
      ...(lost.length > 0
        ? [frameOf(printPosition(hub.position), 'reset', { topics: lost, reason: 'gap' })]
        : []),
    ]
  }
}
