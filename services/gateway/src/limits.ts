/** What one process holds, and for how long. Numbers of bytes are of memory; nothing that a caller does can exceed them. */
export interface Limits {
  /** Until the headers of a request are there. */
  headersMs: number
  /** Until a whole body is there. */
  bodyMs: number
  /** Of all bodies and lines that are being read or stored. */
  bodiesBytes: number
  /** Without a byte on a connection that sends lines. */
  linesIdleMs: number
  /** For who has his answer and goes on sending. */
  lingerMs: number
  /** Without a byte read of an answer. */
  unreadMs: number
  /** Of all answers that wait to be read, without events. */
  unreadBytes: number
  /** Connections that are told events. */
  listeners: number
  /** Of a listener that does not read: from there on events that others make up for are left out. */
  listenerSoftBytes: number
  /** And from there on its connection is ended. */
  listenerHardBytes: number
  /** So long may a listener be behind. */
  listenerStallMs: number
  /** Of what all listeners have not read: those with most of it are ended. */
  listenersBytes: number
}

const MIB = 1024 ** 2

export const LIMITS: Limits = {
  headersMs: 10_000,
  bodyMs: 30_000,
  bodiesBytes: 256 * MIB,
  linesIdleMs: 60_000,
  lingerMs: 10_000,
  unreadMs: 30_000,
  unreadBytes: 256 * MIB,
  listeners: 8_000,
  listenerSoftBytes: 64 * 1024,
  listenerHardBytes: 2 * MIB,
  listenerStallMs: 30_000,
  listenersBytes: 128 * MIB,
}
