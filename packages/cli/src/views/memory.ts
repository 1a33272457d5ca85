import type { MemoryHit } from '@poolmesh/client'
import type { Column } from '@poolmesh/terminal'

export const HIT_COLUMNS: Column<MemoryHit>[] = [
  { title: 'task', value: (hit) => hit.task_id ?? '-', widest: 64 },
  { title: 'source', value: (hit) => hit.source, widest: 13 },
  { title: 'score', value: (hit) => hit.score?.toFixed(1) ?? '-', widest: 8, align: 'right' },
  { title: 'text', value: (hit) => hit.text, widest: 100 },
]
