// What a process has used, read from Linux's /proc; elsewhere nothing is known of it.
import { readFileSync } from 'node:fs'

/** Clock ticks in a second in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

interface Usage {
  /** Of all its threads, user and system, since it was started. */
  cpuSeconds: number
  rssMiB: number
}

/** Null where the process is gone, or the system has no /proc. */
function usageOf(pid: number): Usage | null {
  try {
    // The name of the program, in brackets, may have spaces.
    const [, fields = ''] = /\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    const [user, system] = fields.split(' ').slice(11, 13).map(Number)
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return { cpuSeconds: ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND, rssMiB: Number(rss ?? 0) / 1024 }
  } catch {
    return null
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
