import type { HistogramReply } from '@poolmesh/types'

export interface Quantiles {
  p50: number | null
  p95: number | null
  p99: number | null
}

/** Counts that came between two reports; a counter that went back was started anew, and counts from there. */
export function between(before: HistogramReply | null, after: HistogramReply): HistogramReply {
  if (before === null || before.count > after.count || before.buckets.length !== after.buckets.length)
    return after
  return {
    count: after.count - before.count,
    sum_ms: after.sum_ms - before.sum_ms,
    buckets: after.buckets.map(({ le, count }, i) => ({
      le,
      count: Math.max(0, count - (before.buckets[i]?.count ?? 0)),
    })),
  }
}

/** Milliseconds, within a bucket in proportion, as Prometheus's histogram_quantile does; null of nothing. */
export function quantilesOf(histogram: HistogramReply): Quantiles {
  return {
    p50: quantile(histogram, 0.5),
    p95: quantile(histogram, 0.95),
    p99: quantile(histogram, 0.99),
  }
}

function quantile({ count, buckets }: HistogramReply, q: number): number | null {
  if (count <= 0) return null
  const rank = q * count
  let [low, below] = [0, 0]
  for (const { le, count: upTo } of buckets) {
    if (upTo >= rank) {
      if (le === null) return low
      const inside = upTo - below
      return round(inside === 0 ? le : low + (le - low) * ((rank - below) / inside))
    }
    low = le ?? low
    below = upTo
  }
  return round(low)
}

const round = (ms: number): number => Math.round(ms * 100) / 100
