// What executors say of the pools that they send work to.
import { isId, isJsonObject } from '@poolmesh/types'

const KINDS = ['gone', 'invalid_result', 'run_timeout', 'ok'] as const

export interface PoolReport {
  pool: string
  kind: (typeof KINDS)[number]
  count: number
}

/** null: it makes no sense. */
export function readReport(text: string): PoolReport | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isJsonObject(value) || !isId(value['pool'])) return null
  const kind = KINDS.find((known) => known === value['kind'])
  const count = value['count'] ?? 1
  if (!kind || !Number.isSafeInteger(count) || (count as number) < 1) return null
  return { pool: value['pool'], kind, count: count as number }
}
