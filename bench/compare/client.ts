// What the client of a peer does, whatever the peer: adds jobs in bulk as its documents advise, and counts those whose results
// it was told of.
import { setTimeout as sleep } from 'node:timers/promises'
import { PAYLOAD_BYTES, payloadOf } from '../scenarios/workload.ts'
import type { CompareCommands } from './commands.ts'

export interface JobData {
  /** The number that the client knows it by. */
  n: number
  data: string
}

export interface PeerQueue {
  /** Resolves when the server has stored them. */
  add(jobs: JobData[]): Promise<unknown>
}

/** A peer's server is thrown away with all that it has: nobody waits for a clean end. */
export const endsWithItsProcess = async (): Promise<void> => {}

/** Bulk adds without an answer at one time. */
const ADDS = 4

/**
 * @param open opens the queue; `told` is to be called with the number of each job whose result is known
 * @param bulk jobs in one add
 */
export async function peerClient(
  open: (told: (n: number) => void) => Promise<PeerQueue>,
  bulk: number,
): Promise<{ commands: CompareCommands; stop(): Promise<void> }> {
  const { data } = payloadOf(PAYLOAD_BYTES)
  const waiting = new Map<number, (() => void) | null>()
  let next = 0
  let results = 0
  let onRoom: { below: number; go(): void } | null = null
  const queue = await open((n) => {
    const done = waiting.get(n)
    results++
    if (done === undefined) return
    waiting.delete(n)
    done?.()
    if (onRoom && waiting.size <= onRoom.below) {
      const { go } = onRoom
      onRoom = null
      go()
    }
  })
  const room = (below: number): Promise<void> =>
    waiting.size <= below
      ? Promise.resolve()
      : new Promise((resolve) => {
          onRoom = { below, go: resolve }
        })
  const one = async (): Promise<number> => {
    const begun = performance.now()
    await new Promise<void>((resolve, reject) => {
      const n = next++
      waiting.set(n, resolve)
      queue.add([{ n, data }]).catch(reject)
    })
    return performance.now() - begun
  }
  const commands: CompareCommands = {
    async throughput({ tasks, window }) {
      const before = results
      const begun = performance.now()
      const adding = new Set<Promise<unknown>>()
      for (let sent = 0; sent < tasks; ) {
        await room(window - bulk)
        while (adding.size >= ADDS) await Promise.race(adding)
        const jobs = Array.from({ length: Math.min(bulk, tasks - sent) }, () => ({ n: next++, data }))
        for (const { n } of jobs) waiting.set(n, null)
        const add = queue.add(jobs).finally(() => adding.delete(add))
        adding.add(add)
        sent += jobs.length
      }
      await Promise.all(adding)
      await room(0)
      const seconds = (performance.now() - begun) / 1000
      return {
        seconds,
        results: results - before,
        distinct: tasks - waiting.size,
        completed: results - before,
      }
    },
    async submitOnly({ tasks }) {
      const begun = performance.now()
      const adding = new Set<Promise<unknown>>()
      for (let sent = 0; sent < tasks; sent += bulk) {
        while (adding.size >= ADDS) await Promise.race(adding)
        const jobs = Array.from({ length: bulk }, () => ({ n: next++, data }))
        const add = queue.add(jobs).finally(() => adding.delete(add))
        adding.add(add)
      }
      await Promise.all(adding)
      return (performance.now() - begun) / 1000
    },
    async latency({ probes, pauseMs }) {
      const took: number[] = []
      for (let i = 0; i < probes; i++) {
        took.push(await one())
        await sleep(pauseMs)
      }
      return took
    },
    offered: (load) => offeredLoad(load, one),
  }
  return { commands, stop: endsWithItsProcess }
}

/**
 * An open loop: a task each `1/perSecond` s by the clock, however long the others take, so that a system that falls behind is
 * seen to ("coordinated omission" would hide it: Tene, "How NOT to Measure Latency", 2013).
 * @returns milliseconds of each task, from the time when it was due
 */
export async function offeredLoad(
  { perSecond, seconds }: { perSecond: number; seconds: number },
  one: () => Promise<number>,
): Promise<number[]> {
  const begun = performance.now()
  const all: Promise<number>[] = []
  for (let i = 0; i < perSecond * seconds; i++) {
    const dueAt = begun + (i * 1000) / perSecond
    const early = dueAt - performance.now()
    if (early > 0) await sleep(early)
    const late = Math.max(0, performance.now() - dueAt)
    all.push(one().then((ms) => ms + late))
  }
  return await Promise.all(all)
}
