// Answers for the same reply subject that are ready in the same tick go in one message. The last of them are kept and can be
// sent again: when the executor that they went to has died, nobody may have heard them. While there is no connection they
// wait here; that is bounded, since no new work comes without one.
import { Recent } from '@poolmesh/bus'
import { LINE_BREAK, MAX_BATCH_BYTES, MAX_BATCH_TASKS, printLines } from '@poolmesh/types'

/** Where an answer goes. */
export interface Reply {
  subject: string
  /** The work came as an array, so its sender takes arrays. */
  many: boolean
}

/** Where answers go, as the runner sees it. */
export interface Answering {
  add(reply: Reply, text: string): void
  /** How often the connection has gone so far, and whether it is there now. */
  readonly link: { breaks: number; up: boolean }
}

/** A connection that hangs is given up after half a minute, and what was sent on it was not heard. */
const KEPT_MS = 45_000
const KEPT_MESSAGES = 20_000
const KEPT_BYTES = 8 * 1024 ** 2

export type Send = (subject: string, data: Uint8Array | string) => void

const encoder = new TextEncoder()

export class Outbox implements Answering {
  readonly #send: Send
  readonly #maxBytes: () => number
  readonly #recent = new Recent<{ subject: string; data: Uint8Array }>({
    ms: KEPT_MS,
    count: KEPT_MESSAGES,
    bytes: KEPT_BYTES,
  })
  #waiting = new Map<string, { many: boolean; texts: string[] }>()
  #planned: NodeJS.Immediate | null = null
  /** What waits for the connection, oldest first; null: it is there. */
  #held: { subject: string; data: Uint8Array }[] | null = null
  #breaks = 0

  /** @param maxMessage bytes that one message may have */
  constructor(send: Send, maxMessage: () => number) {
    this.#send = send
    this.#maxBytes = () => Math.min(MAX_BATCH_BYTES, maxMessage())
  }

  add(reply: Reply, text: string): void {
    const waiting = this.#waiting.get(reply.subject)
    if (waiting) waiting.texts.push(text)
    else this.#waiting.set(reply.subject, { many: reply.many, texts: [text] })
    this.#planned ??= setImmediate(() => this.flush())
  }

  flush(): void {
    if (this.#planned) clearImmediate(this.#planned)
    this.#planned = null
    const all = this.#waiting
    this.#waiting = new Map()
    for (const [subject, { many, texts }] of all) {
      if (many) this.#sendTogether(subject, texts)
      else for (const text of texts) this.#sendOne(subject, text)
    }
  }

  /** Sends what was sent lately once more, to where it went. What was heard before is a late answer, and counted as that. */
  sendAgain(): void {
    this.flush()
    for (const { subject, data } of this.#recent.take(performance.now())) this.#sendBytes(subject, data)
  }

  /** The connection is gone: nothing is sent until {@link resume}, and what was sent last may not have been heard. */
  pause(): void {
    this.#breaks++
    this.#held ??= this.#recent.take(performance.now())
  }

  get link(): { breaks: number; up: boolean } {
    return { breaks: this.#breaks, up: this.#held === null }
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const { subject, data } of held) this.#sendBytes(subject, data)
  }

  #sendOne(subject: string, text: string): void {
    this.#sendBytes(subject, encoder.encode(text))
  }

  /** Kept as bytes: they are what is sent, and the garbage collector does not walk them. */
  #sendBytes(subject: string, data: Uint8Array): void {
    if (this.#held) {
      this.#held.push({ subject, data })
      return
    }
    this.#recent.add({ subject, data }, data.length, performance.now())
    this.#send(subject, data)
  }

  /** Arrays of at most 200 answers and 256 KiB; a larger answer goes alone. */
  #sendTogether(subject: string, texts: string[]): void {
    const maxBytes = this.#maxBytes()
    let from = 0
    let bytes = 2
    for (let i = 0; i < texts.length; i++) {
      const size = Buffer.byteLength(texts[i] as string) + LINE_BREAK.length
      if (i > from && (i - from === MAX_BATCH_TASKS || bytes + size > maxBytes)) {
        this.#sendOne(subject, printLines(texts.slice(from, i)))
        from = i
        bytes = 2
      }
      bytes += size
    }
    this.#sendOne(subject, printLines(texts.slice(from)))
  }
}
