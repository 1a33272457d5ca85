// What a history file has: one JSON object a line. `t` is in milliseconds of the machine's monotonic clock since the run
// began, so that times of different processes compare. Keys are short because there are millions of lines.

/** s short, l long, f fails at each try, r fails once, c to be cancelled, o fan-out. */
export type Kind = 's' | 'l' | 'f' | 'r' | 'c' | 'o'
/** submitMany, submit, submit with an id of one's own, published to plain task.submitted. */
export type Way = 'many' | 'one' | 'own' | 'plain'
export type Role =
  | 'broker'
  | 'executor'
  | 'distributor'
  | 'health-monitor'
  | 'registry'
  | 'worker-pool'
  | 'plain-pool'
  | 'http-pool'
  | 'submitter'
export type Action = 'kill' | 'pause' | 'term'

/** Task, status, pool, attempts, reason, reasons of its past. */
export type ResultLine = [
  id: string,
  status: string,
  pool: string | null,
  attempts: number,
  reason: string | null,
  past: string[],
]

export type Event =
  /** The head of the file. */
  | {
      e: 'run'
      seed: number
      minutes: number
      cluster: boolean
      sync: string
      variant: string | null
      pools: Record<string, number>
      /** Those of them whose runs are Jobs. */
      jobs?: string[]
    }
  /** About to be published: the message's id and a letter for each task. `alone`: one task, whose id is the message's. */
  | { e: 'sub'; m: string; k: string; alone: boolean; way: Way; by: string }
  /** The broker's acknowledgement of that message has come. */
  | { e: 'ack'; m: string; by: string }
  /** The broker refused it. */
  | { e: 'refused'; m: string; code: number }
  /** The client gave a submission up. */
  | { e: 'failed'; id: string; code: string }
  /** The client told its user that the task ended. */
  | { e: 'told'; id: string; s: string }
  | { e: 'cancel'; id: string }
  /** What task.cancel answered. */
  | { e: 'cancelled'; id: string; ok: boolean; s: string }
  /** What task.status answered to a question of the time `from`; NOT_FOUND too. */
  | { e: 'status'; id: string; from: number; s: string; a: number }
  /** A pool begins a run, and how that ended: `stopped` when it was told to. */
  | { e: 'begin'; p: string; id: string; a: number }
  | { e: 'end'; p: string; id: string; a: number; how: 'done' | 'failed' | 'stopped' }
  /** A message of RESULTS, as the durable reader was given it; `again`: a redelivery. */
  | { e: 'stored'; q: number; again: boolean; r: ResultLine[] }
  /** The same, read once more when all is over. */
  | { e: 'final'; q: number; r: [id: string, status: string][] }
  | { e: 'read'; stored: number }
  /** A service was asked something at `from`. */
  | { e: 'probe'; role: Role; from: number; ok: boolean }
  | { e: 'up'; name: string; pid: number }
  | { e: 'gone'; name: string; pid: number; how: string; asked: boolean }
  | { e: 'fault'; n: number; role: Role; name: string; action: Action; leads: boolean }
  /** Started again, or continued. */
  | { e: 'repaired'; n: number }
  /** The last fault is repaired. */
  | { e: 'calm' }
  /** Every task has a result; `messages`: so many are left to be acknowledged once more. */
  | { e: 'drained'; messages: number }
  /** At the end of the time for draining: messages, and those of them that have tasks without a result. */
  | { e: 'left'; messages: number; open: number }
  | { e: 'note'; text: string }

export type Written = Event & { t: number }
