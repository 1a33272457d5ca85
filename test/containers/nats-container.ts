// A NATS server in a container, on a port that stays the same, with the files of infra/nats. What it stores lies in the
// container, which is stopped, killed and started again, and removed at the end only.
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'
import { ROOT } from './command.ts'

const CONFIG = join(ROOT, 'infra', 'nats')

/** Testcontainers publishes on every address of the machine; loopback is enough. */
class OnLoopback extends GenericContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    for (const bindings of Object.values(this.hostConfig.PortBindings ?? {}) as { HostIp?: string }[][])
      for (const binding of bindings) binding.HostIp = '127.0.0.1'
  }
}

export interface NatsContainer extends AsyncDisposable {
  readonly url: string
  /** SIGTERM, and up again. */
  restart(): Promise<void>
  /** All its processes stand still until `unpause`; connections stay open and nothing answers. */
  pause(): Promise<void>
  unpause(): Promise<void>
  /** SIGKILL. `start` starts it again, with what it had stored. */
  kill(): Promise<void>
  start(): Promise<void>
}

export async function startNatsContainer(): Promise<NatsContainer> {
  const port = await freePort()
  const started = await new OnLoopback('nats:2.14')
    .withExposedPorts({ container: 4222, host: port })
    .withCopyFilesToContainer(
      ['common.conf', 'single.conf'].map((name) => ({
        source: join(CONFIG, name),
        target: `/etc/nats/${name}`,
      })),
    )
    .withCommand(['--config', '/etc/nats/single.conf'])
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .start()
  const { container } = await getContainerRuntimeClient()
  const handle = container.getById(started.getId())
  return {
    url: `nats://127.0.0.1:${port}`,
    restart: async () => void (await handle.restart()),
    pause: async () => void (await handle.pause()),
    unpause: async () => void (await handle.unpause()),
    kill: async () => void (await handle.kill()),
    start: async () => void (await handle.start()),
    async [Symbol.asyncDispose]() {
      await started.stop({ removeVolumes: true })
    },
  }
}
