// A connection that is written to byte by byte, and read only by who wants to.
import { connect, type Socket } from 'node:net'
import { until } from '@poolmesh/testkit'

export interface Connection extends Disposable {
  send(text: string | Buffer): void
  /** What was read so far. */
  text(): string
  /** Whether the other side ended it. */
  ended(): boolean
  /** Resolves with all of it when it has that in it. */
  read(part: string): Promise<string>
  socket: Socket
}

/** @param options `isRead: false`: nothing of what comes is read */
export function connectTo(url: string, { isRead = true } = {}): Connection {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let [text, ended] = ['', false]
  socket.setEncoding('latin1').on('error', () => {})
  socket.once('close', () => {
    ended = true
  })
  if (isRead)
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
  return {
    send: (more) => void (socket.writable && socket.write(more)),
    text: () => text,
    ended: () => ended,
    read: (part) => until(() => text.includes(part) && text, `an answer with ${part}`),
    socket,
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** A request without its body. @param headers lines */
export const head = (line: string, ...headers: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', ''].join('\r\n')

export const JSON_BODY = 'Content-Type: application/json'
export const CHUNKED = 'Transfer-Encoding: chunked'
export const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`
