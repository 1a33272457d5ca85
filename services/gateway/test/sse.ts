// A listener of server-sent events that can be left, come back, or stop reading.
import { type IncomingMessage, request } from 'node:http'
import { until } from '@poolmesh/testkit'

interface Heard {
  id: string
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test says of it is what it is held to
  data: any
}

export interface Listening extends Disposable {
  readonly status: number
  readonly heard: Heard[]
  readonly ended: () => boolean
  readonly response: IncomingMessage
  /** The first event of that kind that passes. */
  next(event: string, passes?: (data: Heard['data']) => boolean): Promise<Heard>
}

export async function listen(url: string, topics: string, lastId?: string): Promise<Listening> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
  const asking = request(`${url}/api/v1/events?topics=${encodeURIComponent(topics)}`, {
    headers,
    agent: false,
  })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    asking.once('response', resolve).once('error', reject).end()
  })
  const heard: Heard[] = []
  let [rest, ended] = ['', false]
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const fields = Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s)))
      if (fields['data'] !== undefined)
        heard.push({ id: fields['id'], event: fields['event'], data: JSON.parse(fields['data']) })
    }
  })
  response.on('error', () => {})
  response.once('close', () => {
    ended = true
  })
  return {
    status: response.statusCode ?? 0,
    heard,
    ended: () => ended,
    response,
    next: (event, passes = () => true) =>
      until(() => heard.find((one) => one.event === event && passes(one.data)), `an event ${event}`),
    [Symbol.dispose]: () => void asking.destroy(),
  }
}
