// What a process has used, read from Linux's /proc; elsewhere nothing is known of it.
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks in a second in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

interface Usage {
  /** Of all threads, user and system, since the start; children's too, whether they live or have ended. */
  cpuSeconds: number
  /** Pages that several processes share, as PostgreSQL's do, count once. */
  rssMiB: number
}

interface Entry {
  parent: number
  ticks: number
}

/** Null where the process is gone, or the system has no /proc. */
function entryOf(pid: number): Entry | null {
  try {
    // The name of the program, in brackets, may have spaces.
    const [, rest = ''] = /\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    const fields = rest.split(' ')
    // User and system time of its own, and of children that have ended.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return { parent: Number(fields[1]), ticks }
  } catch {
    return null
  }
}

function memoryMiB(pid: number): number {
  const read = (file: string, pattern: RegExp): number | null => {
    try {
      const [, kilobytes] = pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8')) ?? []
      return kilobytes === undefined ? null : Number(kilobytes) / 1024
    } catch {
      return null
    }
  }
  // What is shared is only known to those who may look into the process.
  return read('smaps_rollup', /^Pss:\s+(\d+) kB/m) ?? read('status', /VmRSS:\s+(\d+) kB/) ?? 0
}

/** Of a process and all that descend from it. */
function usageOf(pid: number): Usage | null {
  if (!entryOf(pid)) return null
  const entries = new Map<number, Entry>()
  for (const name of readdirSync('/proc')) {
    const entry = /^\d+$/.test(name) ? entryOf(Number(name)) : null
    if (entry) entries.set(Number(name), entry)
  }
  const usage: Usage = { cpuSeconds: 0, rssMiB: 0 }
  const add = (one: number): void => {
    usage.cpuSeconds += (entries.get(one)?.ticks ?? 0) / TICKS_PER_SECOND
    usage.rssMiB += memoryMiB(one)
    for (const [child, { parent }] of entries) if (parent === one) add(child)
  }
  add(pid)
  return usage
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
