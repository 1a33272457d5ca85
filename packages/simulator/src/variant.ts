// Where the wiring can be broken on purpose, to see that the simulator finds it. Nothing set: as in production.

export interface Variant {
  /** Results are written without comparing the subject's last sequence. */
  unfenced?: boolean
  /** A batch's message is acknowledged when its results are sent, not when they are stored. */
  acksEarly?: boolean
  /** Whoever takes over does not ask what is running. */
  skipsAdoption?: boolean
  /** Whoever held the lease once acts as if it still did. */
  ignoresLease?: boolean
  /** Whose answer it is does not matter: an older failure ends a task. */
  ignoresAttempt?: boolean
  /** A write of which nothing is known is taken to be stored. */
  trustsSilence?: boolean
  /** The slot of a run that was given up is free at once. */
  freesEarly?: boolean
}

/** By their names on the command line. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  'no-fence': { unfenced: true },
  'ack-before-store': { acksEarly: true },
  'no-adoption': { skipsAdoption: true },
  'lease-ignored': { ignoresLease: true },
  'older-failure-counts': { ignoresAttempt: true },
  'silence-trusted': { trustsSilence: true },
  'slot-freed-early': { freesEarly: true },
}
