// A system in this process. The services are no dependency of the client: they are loaded only here, when they are
// wanted, and only if they are installed.
import { loadSettings, type Settings } from '@poolmesh/bus'
import { unavailable } from './requests.ts'

/** What the client needs of `@poolmesh/up`. */
interface EmbeddedHost extends AsyncDisposable {
  readonly url: string
}
interface HostModule {
  startEmbedded(options: {
    dataDir?: string | undefined
    settings?: Settings | undefined
  }): Promise<EmbeddedHost>
}

export interface EmbeddedHostOptions {
  dataDir?: string | undefined
  healthCheckInterval?: number | undefined
  healthCheckTimeout?: number | undefined
  discoveryEndpoints?: string[] | undefined
}

/** @throws PoolmeshError UNAVAILABLE when the services are not installed; INVALID_SETTING */
export async function startEmbeddedHost(options: EmbeddedHostOptions): Promise<EmbeddedHost> {
  const { startEmbedded } = await loadHost()
  const settings = loadSettings()
  const { poolmesh } = settings
  poolmesh.check_interval = options.healthCheckInterval ?? poolmesh.check_interval
  poolmesh.check_timeout = options.healthCheckTimeout ?? poolmesh.check_timeout
  poolmesh.discovery_endpoints = options.discoveryEndpoints ?? poolmesh.discovery_endpoints
  return await startEmbedded({ dataDir: options.dataDir, settings })
}

async function loadHost(): Promise<HostModule> {
  try {
    return await import('@poolmesh/up')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw unavailable(
      'nothing runs, and the package @poolmesh/up, which would run a system in this process, cannot be loaded: install it, or start poolmesh with `npm start`',
      cause,
    )
  }
}
