// Events as they go over the wire, and the last of them, for those who come back.

/** Of all events that are kept for those who come back. */
const RING_EVENTS = 2_000
const RING_BYTES = 16 * 1024 ** 2

export interface Frame {
  /** Counts all events of this process. */
  number: number
  /** As its listeners have it: see {@link Position}. */
  id: string
  topic: string
  bytes: Buffer
  /** The next event of its topic tells all that this one does, or a look at the lists does. */
  replaceable: boolean
}

/** JSON has no line breaks outside of its strings, and inside they are escaped: data is one line. */
export const frameOf = (id: string, topic: string, data: unknown): Buffer =>
  Buffer.from(`id: ${id}\nevent: ${topic}\ndata: ${JSON.stringify(data)}\n\n`)

export class Ring {
  readonly #frames: Frame[] = []
  #bytes = 0
  #last = 0
  readonly #maxEvents: number

  constructor(maxEvents = RING_EVENTS) {
    this.#maxEvents = maxEvents
  }

  /** Of the newest event. */
  get last(): number {
    return this.#last
  }

  /** @returns the number that the next event has */
  next(): number {
    return ++this.#last
  }

  add(frame: Frame): void {
    this.#frames.push(frame)
    this.#bytes += frame.bytes.length
    while (this.#frames.length > this.#maxEvents || this.#bytes > RING_BYTES) {
      const oldest = this.#frames.shift()
      if (!oldest) return
      this.#bytes -= oldest.bytes.length
    }
  }

  /** Those behind the number, oldest first; null: not all of them are kept. */
  since(number: number): Frame[] | null {
    if (number > this.#last) return null
    if (number === this.#last) return []
    const first = this.#frames[0]?.number ?? Number.POSITIVE_INFINITY
    return number + 1 < first ? null : this.#frames.slice(number + 1 - first)
  }
}

/** `<process>-<number of the event>-<sequence of the last alert>`: what a listener had when it went away. */
export interface Position {
  epoch: string
  number: number
  alerts: number
}

export const printPosition = ({ epoch, number, alerts }: Position): string => `${epoch}-${number}-${alerts}`

export function readPosition(text: string): Position | null {
  const match = /^([a-z0-9]{1,32})-(\d{1,15})-(\d{1,15})$/.exec(text.trim())
  return match && { epoch: match[1]!, number: Number(match[2]), alerts: Number(match[3]) }
}
