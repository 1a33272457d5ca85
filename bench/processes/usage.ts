// What a process has used, read from Linux's /proc; elsewhere nothing is known of it.
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks in a second in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

interface Usage {
  /** Of all its threads, user and system, since it was started. */
  cpuSeconds: number
  rssMiB: number
}

/** Null where the process is gone, or the system has no /proc. With its children, also those that have ended. */
function usageOf(pid: number, shared = false): Usage | null {
  const own = readStat(pid)
  if (!own) return null
  const children = childrenOf(pid)
  const usage = { cpuSeconds: own.cpuSeconds, rssMiB: memoryOf(pid, shared || children.length > 0) }
  for (const child of children) {
    const its = usageOf(child, true)
    usage.cpuSeconds += its?.cpuSeconds ?? 0
    usage.rssMiB += its?.rssMiB ?? 0
  }
  return usage
}

function readStat(pid: number): { cpuSeconds: number } | null {
  try {
    // The name of the program, in brackets, may have spaces. Of user, system, and both of the children that have ended.
    const [, fields = ''] = /\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    const ticks = fields.split(' ').slice(11, 15).map(Number)
    return { cpuSeconds: ticks.reduce((sum, n) => sum + n, 0) / TICKS_PER_SECOND }
  } catch {
    return null
  }
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'))
    return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number))
  } catch {
    return []
  }
}

/** Of processes that share memory each its part of it, so that the sum is right. */
function memoryOf(pid: number, shares: boolean): number {
  try {
    const text = readFileSync(`/proc/${pid}/${shares ? 'smaps_rollup' : 'status'}`, 'utf8')
    return Number(/^(?:VmRSS|Pss):\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** The processes of a system, by what they are called in tables. */
export type Processes = Record<string, number>

export interface ProcessUse {
  cpuMicrosPerTask: number
  rssMiB: number
}

/** Measures until the returned function is called, which says what each process used for so many tasks. */
export function meter(processes: Processes): (tasks: number) => Record<string, ProcessUse> {
  const before = Object.entries(processes).map(([name, pid]) => ({ name, pid, usage: usageOf(pid) }))
  return (tasks) => {
    const used: Record<string, ProcessUse> = {}
    for (const { name, pid, usage } of before) {
      const now = usageOf(pid)
      if (!usage || !now) continue
      const micros = ((now.cpuSeconds - usage.cpuSeconds) * 1e6) / tasks
      used[name] = { cpuMicrosPerTask: micros, rssMiB: now.rssMiB }
    }
    return used
  }
}
