import { setTimeout as sleep } from 'node:timers/promises'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '@poolmesh/bus'
import { oneLine } from './run-process.ts'

const RESTART_MS = 500

/**
 * The embedded server, started again on the same port and folder when it ends unasked: what is stored is still there,
 * and everyone who is connected comes back by themselves.
 */
export async function keepBroker(
  options: NatsServerOptions,
  onNotice: (line: string) => void,
): Promise<{ url: string } & AsyncDisposable> {
  let server: NatsServer = await startNatsServer(options)
  const { url, port } = server
  const stopped = new AbortController()
  const watch = async (): Promise<void> => {
    for (;;) {
      const why = await server.died
      onNotice(`${why}, starting it again`)
      while (!stopped.signal.aborted) {
        try {
          server = await startNatsServer({ ...options, port })
          if (stopped.signal.aborted) return await server.stop()
          onNotice('nats-server is back')
          break
        } catch (error) {
          onNotice(oneLine(error))
          await sleep(RESTART_MS, undefined, { signal: stopped.signal }).catch(() => {})
        }
      }
    }
  }
  void watch()
  return {
    url,
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await server.stop()
    },
  }
}
