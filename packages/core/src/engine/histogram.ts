import type { HistogramReply } from '@poolmesh/types'

/** Upper bounds in ms; steps of 1, 2, 5 from a millisecond to an hour. */
const BOUNDS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 300_000, 600_000,
  3_600_000,
]

export class Histogram {
  readonly #counts = new Float64Array(BOUNDS_MS.length + 1)
  #count = 0
  #sum = 0

  record(ms: number): void {
    let i = 0
    while (i < BOUNDS_MS.length && ms > (BOUNDS_MS[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#count++
    this.#sum += ms
  }

  /** Cumulative, as Prometheus has it. */
  report(): HistogramReply {
    let total = 0
    const buckets = Array.from(this.#counts, (count, i) => {
      total += count
      return { le: BOUNDS_MS[i] ?? null, count: total }
    })
    return { count: this.#count, sum_ms: Math.round(this.#sum * 1000) / 1000, buckets }
  }
}

/** The sum of several histograms with the same bounds. */
export function addHistograms(parts: HistogramReply[]): HistogramReply {
  const [first, ...rest] = parts
  const sum = structuredClone(first ?? new Histogram().report())
  for (const part of rest) {
    sum.count += part.count
    sum.sum_ms += part.sum_ms
    for (const [i, bucket] of sum.buckets.entries()) bucket.count += part.buckets[i]?.count ?? 0
  }
  return sum
}
