// Sends one body until its receiver has taken it.
import { setTimeout as pause } from 'node:timers/promises'

const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 60_000
const ANSWER_MS = 10_000

export interface Receiver {
  url: string
  /** The header `Authorization`. */
  authorization?: string | undefined
}

/**
 * Tried again with a growing pause, whatever goes wrong: a receiver that refuses may be set right.
 * @returns false: the signal has aborted, and it is not known to have arrived
 */
export async function deliver(
  receiver: Receiver,
  body: unknown,
  { signal, onProblem }: { signal: AbortSignal; onProblem(problem: string, pauseMs: number): void },
): Promise<boolean> {
  const text = JSON.stringify(body)
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
    const problem = await post(receiver, text, signal)
    if (problem === null) return true
    if (signal.aborted) return false
    const wait = Math.round(pauseMs * (0.75 + Math.random() / 2))
    onProblem(problem, wait)
    await pause(wait, undefined, { signal }).catch(() => {})
  }
  return false
}

/** @returns what is wrong, without anything of the address or the answer, which may be secret; null: it was taken */
async function post(
  { url, authorization }: Receiver,
  text: string,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
      body: text,
      // What is posted must not go to wherever an answer points.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    })
    await answer.body?.cancel()
    return answer.status >= 200 && answer.status < 300 ? null : `it answered with status ${answer.status}`
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') return `it gave no answer within ${ANSWER_MS / 1_000} s`
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    return `it cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`
  }
}
