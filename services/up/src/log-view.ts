// Log lines of the child processes: as they are for programs, one readable line each for people.

const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: 99 } as const
export type Level = keyof typeof LEVELS
const SHORT: Record<number, string> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
}
const HIDDEN = new Set(['level', 'time', 'service', 'msg', 'pid', 'hostname', 'err'])

/**
 * @param level the least severe line that is shown
 * @returns the line to show, or null
 */
export function readableLine(line: string, level: Level): string | null {
  const event = parseEvent(line)
  if (event === null) return line
  const severity = Number(event['level'])
  if (severity < LEVELS[level]) return null
  const time = String(event['time'] ?? '').slice(11, 23)
  const fields = Object.entries(event)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const error = event['err'] as { message?: unknown } | undefined
  if (error?.message !== undefined) fields.push(`error=${JSON.stringify(error.message)}`)
  return [time, SHORT[severity] ?? severity, `${event['service'] ?? '-'}:`, event['msg'] ?? '', ...fields]
    .join(' ')
    .trimEnd()
}

/** Whether the line is an event of that level or a more severe one. */
export const isAtLeast = (line: string, level: Level): boolean =>
  Number(parseEvent(line)?.['level'] ?? 0) >= LEVELS[level]

/** Null for what is no log event, such as a stack that Node printed. */
function parseEvent(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null
  try {
    const event: unknown = JSON.parse(line)
    return typeof event === 'object' && event !== null && 'level' in event
      ? (event as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
