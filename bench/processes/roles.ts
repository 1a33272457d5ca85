// What can run in a process of its own. Each is imported only where it runs.
const ROLES = {
  'floor executor': async () => (await import('../floor/executor.ts')).startFloorExecutor,
  'floor pools': async () => (await import('../floor/pools.ts')).startFloorPools,
  'floor client': async () => (await import('../floor/client.ts')).startFloorClient,
  'product pools': async () => (await import('../product/pools.ts')).startProductPools,
  'product client': async () => (await import('../product/client.ts')).startProductClient,
  'plain pools': async () => (await import('../plain/pools.ts')).startPlainPools,
  'health servers': async () => (await import('../http/health-servers.ts')).startHealthServers,
  'served pools': async () => (await import('../http/served-pools.ts')).startServedPools,
  'gateway listeners': async () => (await import('../http/listeners.ts')).startListeners,
  'bullmq worker': async () => (await import('../peers/bullmq.ts')).startBullMqWorker,
  'bullmq client': async () => (await import('../peers/bullmq.ts')).startBullMqClient,
  'pg-boss worker': async () => (await import('../peers/pg-boss.ts')).startPgBossWorker,
  'pg-boss client': async () => (await import('../peers/pg-boss.ts')).startPgBossClient,
  'graphile-worker worker': async () => (await import('../peers/graphile-worker.ts')).startGraphileWorker,
  'graphile-worker client': async () => (await import('../peers/graphile-worker.ts')).startGraphileClient,
  'plain client': async () => (await import('../plain/client.ts')).startPlainClient,
} as const

type Roles = typeof ROLES
export type RoleName = keyof Roles
type StartOf<Name extends RoleName> = Awaited<ReturnType<Roles[Name]>>
export type OptionsOf<Name extends RoleName> =
  Parameters<StartOf<Name>> extends [string, infer Options] ? Options : Record<never, never>
export type CommandsOf<Name extends RoleName> = Awaited<ReturnType<StartOf<Name>>>['commands']

/** What a role gives back once it is ready to work. */
export interface Started<Commands> {
  /** Called from the process that runs the benchmark. */
  commands: Commands
  /** At SIGTERM; the process ends when it resolves. */
  stop(): Promise<void>
}

/** The role with its types taken away: names and values come from another process. */
export async function startRole(name: string, url: string, options: unknown) {
  if (!Object.hasOwn(ROLES, name)) throw new Error(`there is no role ${name}`)
  const start = (await ROLES[name as RoleName]()) as unknown as (
    url: string,
    options: unknown,
  ) => Promise<Started<Record<string, (parameters: unknown) => Promise<unknown>>>>
  return await start(url, options)
}
