import { loadSettings, type Settings } from '@poolmesh/bus'
import { createDistributedPoolSystem, type DistributedPoolSystem, PoolmeshError } from '@poolmesh/client'

export interface SystemOptions {
  /** Of `--server`. */
  server?: string | undefined
}

interface Address {
  server: string
  /** What said so, for the message when nothing is there. */
  from: string
}

/** `--server`, else the server of the services: NATS_URL, else the embedded one. */
function addressOf(options: SystemOptions, settings: Settings): Address {
  if (options.server !== undefined) return { server: options.server, from: 'which --server names' }
  if (settings.natsUrl !== null) return { server: settings.natsUrl, from: 'which NATS_URL names' }
  const port = settings.poolmesh.nats_port
  const usual = settings.sources['POOLMESH_NATS_PORT'] === 'default'
  const from = usual ? 'where `npm start` runs one' : 'which the setting nats_port names'
  return { server: `nats://127.0.0.1:${port}`, from }
}

/**
 * Connects, lets the command work, and closes.
 * @throws PoolmeshError UNAVAILABLE when nothing answers there; INVALID_SETTING
 */
export async function withSystem<T>(
  options: SystemOptions,
  use: (system: DistributedPoolSystem) => Promise<T>,
): Promise<T> {
  const settings = loadSettings()
  const address = addressOf(options, settings)
  await using system = await connect(address, settings.poolmesh.nats_token)
  return await use(system)
}

async function connect(address: Address, token: string | undefined): Promise<DistributedPoolSystem> {
  try {
    return await createDistributedPoolSystem({
      servers: address.server,
      token,
      name: 'poolmesh-cli',
      embedded: 'never',
    })
  } catch (error) {
    if (!(error instanceof PoolmeshError && error.code === 'UNAVAILABLE')) throw error
    const why = error.cause instanceof Error ? error.cause.message : error.message
    const server = `${withoutSecrets(address.server)}, ${address.from}`
    if (why === 'Invalid URL')
      throw new PoolmeshError('INVALID_INPUT', `${server}, is no address such as nats://host:4222`)
    throw new PoolmeshError('UNAVAILABLE', `no server answers at ${server} (${why}). ${advice(why)}`, [], {
      cause: error,
    })
  }
}

const withoutSecrets = (server: string): string => server.replaceAll(/[^/,\s]*@/g, '')

const advice = (why: string): string =>
  /auth/i.test(why)
    ? 'Set POOLMESH_NATS_TOKEN to its token.'
    : 'Start poolmesh with `npm start`, or name your server with --server or NATS_URL.'
