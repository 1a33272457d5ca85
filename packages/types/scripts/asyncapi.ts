// The contract as an AsyncAPI 3.0 document, put together from the tables of channels, schemas and examples.
import { ERRORS, HEADERS } from '../src/index.ts'
import { CHANNELS, type Channel, type MessageName, PARAMETERS } from './channels.ts'
import { EXAMPLES } from './examples.ts'
import { type JsonSchema, jsonSchemas, PUBLIC_SCHEMAS } from './schemas.ts'

const ref = (path: string) => ({ $ref: `#/${path}` })
const schemaPath = (name: string): string => `#/components/schemas/${name}`

/** The one channel of all replies: their subject is made up for each request. */
const REPLY = 'reply'

const headersOf = (headers: Record<string, JsonSchema>) => ({ type: 'object', properties: headers })

function message(name: MessageName) {
  if (name === 'Empty') return { name, title: 'No body', payload: { description: 'Nothing, or {}.' } }
  return {
    name,
    title: name,
    summary: PUBLIC_SCHEMAS[name].description,
    payload: ref(`components/schemas/${name}`),
    examples: [{ payload: EXAMPLES[name] }],
    ...(name === 'Refusal' && { headers: REFUSAL_HEADERS }),
  }
}

const REFUSAL_HEADERS = headersOf({
  [HEADERS.serviceError]: { type: 'string', description: 'The message, in one line.' },
  [HEADERS.serviceErrorCode]: {
    type: 'string',
    enum: [...new Set(Object.values(ERRORS).map(({ status }) => `${status}`))].sort(),
    description: 'The number of the code, after HTTP’s meanings.',
  },
})

function channel({ address, summary, messages, headers }: Channel) {
  const names = [...(address ?? '').matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
  return {
    address,
    description: summary,
    messages: Object.fromEntries(
      messages.map((name) => {
        if (!headers) return [name, ref(`components/messages/${name}`)]
        return [name, { ...message(name), headers: headersOf(headers) }]
      }),
    ),
    ...(names.length > 0 && {
      parameters: Object.fromEntries(names.map((name) => [name, ref(`components/parameters/${name}`)])),
    }),
  }
}

function operation({ id, action, summary, messages, reply, refuses }: Channel) {
  const replies: MessageName[] = [...(reply ?? []), ...(refuses ? (['Refusal'] as const) : [])]
  return {
    action,
    channel: ref(`channels/${id}`),
    summary,
    messages: messages.map((name) => ref(`channels/${id}/messages/${name}`)),
    ...(replies.length > 0 && {
      reply: {
        channel: ref(`channels/${REPLY}`),
        messages: replies.map((name) => ref(`channels/${REPLY}/messages/${name}`)),
      },
    }),
  }
}

const byId = <Made>(make: (channel: Channel) => Made): Record<string, Made> =>
  Object.fromEntries(CHANNELS.map((channel) => [channel.id, make(channel)]))

export function asyncApi(): JsonSchema {
  const replies = new Set<MessageName>(CHANNELS.flatMap(({ reply }) => reply ?? []).concat('Refusal'))
  const used = new Set<MessageName>([...CHANNELS.flatMap(({ messages }) => messages), ...replies])
  const messages = [...used].sort()
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'poolmesh',
      version: '1.0.0',
      description:
        'Tasks published on NATS, routed to the pool that fits best, ended in exactly one result. `receive` is what ' +
        'poolmesh listens to, `send` what it says. JSON in UTF-8, times in RFC 3339 UTC, durations in seconds unless ' +
        'the name ends in `_ms`. Unknown fields are kept and passed on.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: '127.0.0.1:4222',
        protocol: 'nats',
        description: 'What `npm start` runs; NATS_URL names another.',
      },
    },
    channels: {
      ...byId(channel),
      [REPLY]: {
        address: null,
        description: 'The reply subject of the request.',
        messages: Object.fromEntries(
          [...replies].sort().map((name) => [name, ref(`components/messages/${name}`)]),
        ),
      },
    },
    operations: byId(operation),
    components: {
      parameters: PARAMETERS,
      messages: Object.fromEntries(messages.map((name) => [name, message(name)])),
      schemas: jsonSchemas(schemaPath),
    },
  }
}
