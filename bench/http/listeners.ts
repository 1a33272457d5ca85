// Many who listen to the gateway's events, in a process of their own, so that who submits does not wait for them.
import { connect, type Socket } from 'node:net'
import type { Started } from '../processes/roles.ts'

export interface ListenersOptions {
  port: number
  count: number
  topics: string
}

export interface Heard {
  events: number
  bytes: number
  resets: number
  closed: number
  /** Of those who had fewest, and most. */
  alerts: [number, number]
}

export interface ListenersCommands {
  heard(): Promise<Heard>
}

const [EVENT, ALERT, RESET] = ['event: ', 'event: alerts\n', 'event: reset\n'].map((text) =>
  Buffer.from(text),
) as [Buffer, Buffer, Buffer]
/** So many at a time: the rest would wait in the kernel's line of connections. */
const AT_ONCE = 100

/** In a chunk, and where it was cut from the one before. Bytes are not read as text: that would cost more than the gateway does. */
function count(mark: Buffer, tail: Buffer, chunk: Buffer): number {
  let found = 0
  for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length)) found++
  if (tail.length === 0) return found
  const seam = Buffer.concat([tail.subarray(-mark.length + 1), chunk.subarray(0, mark.length - 1)])
  return seam.includes(mark) ? found + 1 : found
}

export async function startListeners(
  _url: string,
  { port, count: listeners, topics }: ListenersOptions,
): Promise<Started<ListenersCommands>> {
  const alerts = new Int32Array(listeners)
  const heard = { events: 0, bytes: 0, resets: 0, closed: 0 }
  const sockets: Socket[] = []
  for (let i = 0; i < listeners; i++) {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    const begun = new Promise<void>((resolve, reject) => {
      let tail = Buffer.alloc(0)
      socket.once('error', reject)
      socket.on('data', (chunk) => {
        heard.bytes += chunk.length
        heard.events += count(EVENT, tail, chunk)
        alerts[i]! += count(ALERT, tail, chunk)
        heard.resets += count(RESET, tail, chunk)
        tail = Buffer.from(chunk.subarray(-ALERT.length + 1))
        resolve()
      })
    })
    socket.once('close', () => heard.closed++)
    socket.write(`GET /api/v1/events?topics=${topics} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    if (i % AT_ONCE === AT_ONCE - 1) await begun
  }
  return {
    commands: {
      heard: async () => ({
        ...heard,
        alerts: [alerts.reduce((a, b) => Math.min(a, b)), alerts.reduce((a, b) => Math.max(a, b))],
      }),
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}
