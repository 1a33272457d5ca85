import { LANES, type PriorityLane } from '@poolmesh/types'

/** The least share of the dispatches that a lane gets while it waits. */
export const LEAST_SHARE = 0.05

/**
 * Which lane is served next: the highest that waits, but a lane that waits is owed {@link LEAST_SHARE} of each dispatch
 * and is served when it is owed a whole one. So none starves. (Deficit counters as in Shreedhar and Varghese,
 * "Efficient Fair Queuing using Deficit Round Robin", 1995.)
 */
export class LaneScheduler {
  readonly #owed = new Float64Array(LANES.length)

  /** @param waits whether a lane has something that might be dispatched now; @returns the index in LANES, -1 for none */
  pick(waits: (lane: number) => boolean): number {
    let first = -1
    let most = -1
    for (let lane = 0; lane < LANES.length; lane++) {
      if (!waits(lane)) continue
      if (first < 0) first = lane
      if (
        (this.#owed[lane] as number) >= 1 &&
        (most < 0 || (this.#owed[lane] as number) > (this.#owed[most] as number))
      )
        most = lane
    }
    return most >= 0 ? most : first
  }

  /** Call for each dispatch. */
  served(lane: number, waits: (lane: number) => boolean): void {
    for (let other = 0; other < LANES.length; other++) {
      const owed = (this.#owed[other] as number) - (other === lane ? 1 : 0)
      // Its own dispatches count among those that it has a share of.
      this.#owed[other] = waits(other) ? Math.min(2, Math.max(0, owed + LEAST_SHARE)) : 0
    }
  }
}

export const laneIndex = (lane: PriorityLane): number => LANES.indexOf(lane)
