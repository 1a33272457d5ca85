// Servers that answer to /health, each at an address of its own on this machine, and some that take the question and say nothing.
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createListener, type Server } from 'node:net'
import type { Started } from '../processes/roles.ts'

export interface HealthServersOptions {
  hosts: number
  /** How many of them never answer. */
  hanging: number
}

export interface HealthServersCommands {
  endpoints(): Promise<string[]>
}

/** 127.1.0.0 and so on: they lead to this machine on Linux. */
const addressOf = (i: number): string => `127.1.${i >> 8}.${i & 255}`

export async function startHealthServers(
  _url: string,
  { hosts, hanging }: HealthServersOptions,
): Promise<Started<HealthServersCommands>> {
  const web = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"status":"healthy","current_workers":0,"queue_size":0}')
  })
  const listeners: Server[] = []
  let port = 0
  for (let i = 0; i < hosts; i++) {
    const listener = createListener((socket) => {
      socket.on('error', () => {})
      if (i >= hanging) web.emit('connection', socket)
    })
    await new Promise<void>((resolve, reject) =>
      listener.once('error', reject).listen(port, addressOf(i), resolve),
    )
    port = (listener.address() as AddressInfo).port
    listeners.push(listener)
  }
  return {
    commands: {
      endpoints: async () => listeners.map((_, i) => `http://${addressOf(i)}:${port}`),
    },
    stop: async () => {
      for (const listener of listeners) listener.close()
      web.closeAllConnections()
    },
  }
}
