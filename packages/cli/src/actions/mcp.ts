import { loadSettings } from '@poolmesh/bus'
import { PoolSpawner, readPoolTypes, serveMcpStdio } from '@poolmesh/mcp'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import type { CommonOptions } from '../options.ts'
import { withSystem } from '../system.ts'

/** The processes that pool_spawn starts live no longer than this one. */
export async function serveTools(options: CommonOptions): Promise<ExitCode> {
  const { spawn_file, nats_token } = loadSettings().poolmesh
  const types = readPoolTypes(spawn_file)
  await withSystem(options, async (system) => {
    using interruption = onInterrupt()
    await using spawner = new PoolSpawner(types, {
      NATS_URL: system.url,
      ...(nats_token === undefined ? {} : { POOLMESH_NATS_TOKEN: nats_token }),
    })
    const { connection: nc, executor, registry, monitor } = system
    await serveMcpStdio({ nc, executor, registry, monitor, spawner }, interruption.signal)
  })
  return EXIT.done
}
