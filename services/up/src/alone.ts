#!/usr/bin/env node
// The command `poolmesh-up` of the published package: a NATS server and the services in this process, for whoever has no clone.
import { createLogger } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import { startEmbedded } from './embedded.ts'
import { runProcess } from './run-process.ts'
import { loadEnabledSettings } from './settings.ts'

await runProcess(async (running) => {
  const settings = loadEnabledSettings()
  const { nats_port: port, data_dir: dataDir, log_level, nats_token } = settings.poolmesh
  // Not passed over in silence: somebody counts on them.
  for (const [variable, value] of [
    ['NATS_URL', settings.natsUrl],
    ['POOLMESH_NATS_TOKEN', nats_token],
  ])
    if (value)
      throw new PoolmeshError(
        'INVALID_SETTING',
        `${variable} is set, and poolmesh-up has a server of its own, on this machine and without a token: unset it`,
        [{ path: String(variable), message: 'is not for poolmesh-up' }],
      )
  const log = createLogger('poolmesh', log_level)
  const { url, nc } = running.use(await startEmbedded({ port, dataDir, settings, log }))
  process.stdout.write(`ready ${url} (Ctrl-C stops; what is stored is in ${dataDir})\n`)
  return {
    log,
    ended: nc.closed().then((error) => `the connection to NATS was closed: ${error ?? 'by the server'}`),
  }
})
