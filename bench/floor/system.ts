import { Child } from '../processes/child.ts'
import { type System, startBroker } from '../product/system.ts'
import { makeFloorStreams } from './topology.ts'

/** Broker and executor of the floor. */
export async function startFloor(pools: number): Promise<System> {
  await using parts = new AsyncDisposableStack()
  const broker = await startBroker(parts)
  await makeFloorStreams(broker.url)
  const executor = parts.use(await Child.start('floor executor', broker.url, { pools }))
  const owned = parts.move()
  return {
    url: broker.url,
    processes: { 'nats-server': broker.pid, executor: executor.pid },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
