import { loadSettings, silentLogger } from '@poolmesh/bus'
import { SpawnedPools, serveMcpStdio } from '@poolmesh/mcp'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import type { CommonOptions } from '../options.ts'
import { withSystem } from '../system.ts'

/** The processes that pool_spawn starts live no longer than this one. */
export async function serveTools(options: CommonOptions): Promise<ExitCode> {
  const settings = loadSettings()
  await withSystem(options, async (system) => {
    const { connection: nc, executor, registry, monitor, url } = system
    using interruption = onInterrupt()
    await using spawned = await SpawnedPools.open({
      nc,
      registry,
      executor,
      settings,
      url,
      log: silentLogger(),
    })
    await serveMcpStdio({ nc, executor, registry, monitor, spawned }, interruption.signal)
  })
  return EXIT.done
}
