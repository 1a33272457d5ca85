import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface RefusingPort extends AsyncDisposable {
  readonly port: number
}

/**
 * A port of 127.0.0.1 where every connection is refused, and that nobody is given until it is disposed. It is this side's
 * own end of a connection: nothing listens there, and the system gives a port that is bound to nobody else.
 */
export async function refusingPort(): Promise<RefusingPort> {
  const server = createServer()
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // Bound before it connects: a port that a connection merely came to have may be that of somebody's connection to itself.
  const { port } = server.address() as AddressInfo
  const holder = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
  const [[other]] = await Promise.all([accepted, once(holder, 'connect')])
  const { localPort } = holder
  if (localPort === undefined) throw new Error('the connection has no port')
  return {
    port: localPort,
    async [Symbol.asyncDispose]() {
      holder.destroy()
      other.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
