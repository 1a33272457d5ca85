// A whole system of processes with a gateway, whose broker and gateway can be taken away and brought back.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'
import { type RunningProcess, run } from '@poolmesh/testkit'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor']

export interface WebSystem extends AsyncDisposable {
  /** Of the gateway. */
  readonly url: string
  readonly nats: string
  stopBroker(): Promise<void>
  startBroker(): Promise<void>
  stopGateway(): Promise<void>
  startGateway(): Promise<void>
}

/** @param env of the services, the gateway among them: as it is when one is started */
export async function startWebSystem(env: Record<string, string> = {}): Promise<WebSystem> {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-web-'))
  const [port, httpPort] = [await freePort(), await freePort()]
  let server: NatsServer
  const startBroker = async (): Promise<void> => {
    server = await startNatsServer({ port, dataDir, sync: '1m' })
  }
  await startBroker()
  const nats = server!.url
  const service = (name: string): RunningProcess =>
    run('service.ts', [name], { NATS_URL: nats, POOLMESH_HTTP_PORT: String(httpPort), ...env })
  let gateway: RunningProcess
  const services = SERVICES.map(service)
  await Promise.all(services.map((one) => one.line(/"msg":"ready"/)))
  const startGateway = async (): Promise<void> => {
    gateway = service('gateway')
    await gateway.line(/"msg":"ready"/)
  }
  await startGateway()
  return {
    url: `http://127.0.0.1:${httpPort}`,
    nats,
    startBroker,
    stopBroker: async () => {
      await server.stop('SIGKILL')
    },
    startGateway,
    stopGateway: () => gateway[Symbol.asyncDispose]() as Promise<void>,
    async [Symbol.asyncDispose]() {
      await Promise.all([...services, gateway].map((one) => one[Symbol.asyncDispose]()))
      await server.stop('SIGKILL')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
