// Broken on purpose: every executor takes itself for the one that dispatches. Results stay fenced, but two of them fill the
// same slots.
import { LeaseKeeper } from '@poolmesh/bus'

const open = LeaseKeeper.open.bind(LeaseKeeper)
LeaseKeeper.open = async (nc, options) => {
  const keeper = await open(nc, { ...options, onTaken: () => {}, onLost: () => {} })
  for (const name of ['holds', 'mayAct']) Object.defineProperty(keeper, name, { get: () => true })
  options.onTaken()
  return keeper
}
