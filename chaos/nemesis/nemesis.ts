// Carries out the plan on the processes.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Role } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import type { Fault } from './plan.ts'

/** What a nemesis needs of a process. */
export interface Victim {
  readonly name: string
  /** Neither killed nor paused now. */
  readonly isUp: boolean
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  start(): Promise<void>
  pause(): void
  resume(): void
}

export interface Victims {
  of(role: Role): readonly Victim[]
  /** The executor that dispatches now, where that is known. */
  leader(): Promise<Victim | null>
}

/** Resolves when each fault is over and repaired. */
export async function runNemesis(
  plan: readonly Fault[],
  victims: Victims,
  history: History,
  signal: AbortSignal,
): Promise<number> {
  const begun = performance.now()
  const going: Promise<boolean>[] = []
  for (const fault of plan) {
    await sleep(Math.max(0, fault.at - (performance.now() - begun)), undefined, { signal })
    const one = strike(fault, victims, history, signal)
    // Looked at below; until then it may end by the signal.
    one.catch(() => {})
    going.push(one)
  }
  return (await Promise.all(going)).filter(Boolean).length
}

async function strike(
  fault: Fault,
  victims: Victims,
  history: History,
  signal: AbortSignal,
): Promise<boolean> {
  const { n, role, action } = fault
  const all = victims.of(role)
  const leader = role === 'executor' ? await victims.leader() : null
  const victim = fault.index === 'leader' ? (leader ?? all[n % all.length]) : all[fault.index]
  if (!victim?.isUp) return false
  history.write({ e: 'fault', n, role, name: victim.name, action, leads: victim === leader })
  if (action === 'pause') victim.pause()
  else await victim.kill(action === 'kill' ? 'SIGKILL' : 'SIGTERM')
  // What was asked to stop has had its time.
  if (action !== 'term') await sleep(fault.forMs, undefined, { signal })
  if (action === 'pause') victim.resume()
  else await victim.start()
  history.write({ e: 'repaired', n })
  return true
}
