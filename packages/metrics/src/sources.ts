// Who is asked what has been counted. Nothing of the library is loaded here: a process at which nobody looks pays nothing.
import type { MetricsSink, TellMetric } from '@poolmesh/bus'

type Read = (tell: TellMetric) => void | Promise<void>

/** A source that asks the broker does not hold up what others tell for longer. */
const ANSWER_MS = 2_000

export class MetricSources implements MetricsSink {
  readonly #reads: Read[] = []

  source(read: Read): void {
    this.#reads.push(read)
  }

  /** Asks all at once; one that fails or takes too long is left out from there on. */
  async tell(tell: TellMetric): Promise<void> {
    let isOver = false
    const inTime: TellMetric = (...told) => {
      if (!isOver) tell(...told)
    }
    const { promise: tooLate, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ANSWER_MS)
    const all = Promise.allSettled(this.#reads.map(async (read) => await read(inTime)))
    await Promise.race([all, tooLate])
    clearTimeout(timer)
    isOver = true
  }
}
