import type { Column } from '@poolmesh/terminal'

export interface ShownSetting {
  /** In the environment. */
  name: string
  /** null where there is none. */
  value: unknown
  source: 'environment' | 'file' | 'default'
}

export const SETTING_COLUMNS: Column<ShownSetting>[] = [
  { title: 'setting', value: ({ name }) => name, widest: 50, whole: true },
  { title: 'value', value: ({ value }) => textOf(value), widest: 60 },
  { title: 'from', value: ({ source }) => source, widest: 11 },
]

function textOf(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '-'
  return Array.isArray(value) ? value.join(',') : String(value)
}
