// The job that every system gets, and what its client says of it.

/** A payload of so many bytes of JSON. */
export const payloadOf = (bytes: number): { data: string } => ({
  data: 'y'.repeat(Math.max(0, bytes - '{"data":""}'.length)),
})

export const PAYLOAD_BYTES = 200
export const TASK_TYPE = 'bench'

export interface ThroughputJob {
  tasks: number
  /** Tasks in one message. */
  batchSize: number
  /** Tasks without a result at most. */
  window: number
}

export interface ThroughputOutcome {
  /** From the first submission to the last result. */
  seconds: number
  results: number
  distinct: number
  completed: number
}

export interface LatencyJob {
  probes: number
  pauseMs: number
}

/** Commands of a client, of the product and of the floor. */
export interface ClientCommands {
  throughput(job: ThroughputJob): Promise<ThroughputOutcome>
  /** One task at a time, with a pause before the next: milliseconds from submission to result. */
  latency(job: LatencyJob): Promise<number[]>
}

export const POOLS = 5
