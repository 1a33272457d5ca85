import { loadSettings, type Settings } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'

/** @throws PoolmeshError INVALID_SETTING when a setting is wrong, or when pools are switched off */
export function loadEnabledSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const settings = loadSettings(env)
  if (settings.pools.enabled) return settings
  const where =
    settings.sources['MAHAVISHNU_POOLS__ENABLED'] === 'file' ? 'pools.enabled' : 'MAHAVISHNU_POOLS__ENABLED'
  throw new PoolmeshError('INVALID_SETTING', `${where} is false: nothing is started`, [
    { path: where, message: 'is false' },
  ])
}

/** The server that the settings name: NATS_URL, else the embedded one. */
export const serverOf = (settings: Settings): string =>
  settings.natsUrl ?? `nats://127.0.0.1:${settings.poolmesh.nats_port}`

/** Of the embedded server: whoever connects has to know the token, where there is one. */
export const authorizationOf = (settings: Settings): string => {
  const token = settings.poolmesh.nats_token
  return token === undefined ? '' : `authorization { token: ${JSON.stringify(token)} }`
}
