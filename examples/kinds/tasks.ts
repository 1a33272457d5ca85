// The tasks of the demonstration. None of them names a pool.
import type { DistributedTaskInput } from '@poolmesh/client'

export interface Wish {
  /** For people. */
  what: string
  /** Of twenty tasks. */
  of20: number
  task: DistributedTaskInput
}

const task = (need: string, more: Partial<DistributedTaskInput>): DistributedTaskInput => ({
  task_type: need,
  payload: { prompt: `${need} this` },
  required_capabilities: [need],
  ...more,
})

export const WISHES: readonly Wish[] = [
  {
    what: 'render, in colour and fast if possible',
    of20: 10,
    task: task('render', {
      routing_strategy: 'capability_based',
      metadata: { preferred_capabilities: ['colour', 'fast'] },
    }),
  },
  { what: 'review, where least is going on', of20: 4, task: task('review', {}) },
  {
    what: 'label, in eu if possible',
    of20: 2,
    task: task('label', { routing_strategy: 'region_aware', metadata: { region: 'eu' } }),
  },
  {
    what: 'label, in us if possible',
    of20: 2,
    task: task('label', { routing_strategy: 'region_aware', metadata: { region: 'us' } }),
  },
  {
    what: 'label, where the last one of the ledger ran',
    of20: 2,
    task: task('label', { routing_strategy: 'affinity', metadata: { affinity_key: 'ledger' } }),
  },
]

/** One after the other as a deck of twenty, so that all are under way at a time. */
export function* manyTasks(count: number): Generator<DistributedTaskInput> {
  const deck = WISHES.flatMap(({ of20, task }) => Array.from({ length: of20 }, () => task))
  // Seven and twenty have no common factor: neighbours in the deck are not neighbours in time.
  for (let i = 0; i < count; i++) yield deck[(i * 7) % deck.length] as DistributedTaskInput
}
