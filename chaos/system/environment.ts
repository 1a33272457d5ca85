/** Without what the surroundings set for poolmesh, and quicker to notice than a system that nobody kills. */
export function environment(url: string, replicas: number): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(POOLMESH_|MAHAVISHNU_POOLS__|NATS_URL$|NODE_OPTIONS$|VITEST)/.test(name),
  )
  return {
    ...Object.fromEntries(clean),
    NATS_URL: url,
    POOLMESH_REPLICAS: String(replicas),
    POOLMESH_CHECK_INTERVAL: '2',
    POOLMESH_CHECK_TIMEOUT: '1',
    POOLMESH_HEARTBEAT_INTERVAL: '1',
    // Pools come and go all the time here: they are not held back for a tenth of five minutes each time.
    POOLMESH_FLAPPING_WINDOW: '20',
    POOLMESH_LOG_LEVEL: 'info',
  }
}
