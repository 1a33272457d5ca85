// Pools of the worker package behind HTTP, whose handlers do nothing.
import { silentLogger } from '@poolmesh/bus'
import { definePool, serveHttp } from '@poolmesh/worker'
import type { Started } from '../processes/roles.ts'

export interface ServedPoolsOptions {
  names: string[]
  capability: string
}

export interface ServedPoolsCommands {
  endpoints(): Promise<Record<string, string>>
}

export async function startServedPools(
  _url: string,
  { names, capability }: ServedPoolsOptions,
): Promise<Started<ServedPoolsCommands>> {
  const pools = await Promise.all(
    names.map((name) =>
      serveHttp(definePool({ name, capabilities: [capability], handler: () => ({ by: name }) }), {
        log: silentLogger(),
        handleSignals: false,
      }),
    ),
  )
  return {
    commands: {
      endpoints: async () => Object.fromEntries(pools.map(({ name, endpoint }) => [name, endpoint])),
    },
    stop: async () => void (await Promise.all(pools.map((pool) => pool.stop({ drain: false })))),
  }
}
