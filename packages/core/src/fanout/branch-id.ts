import { createHash } from 'node:crypto'

const MAX_ID = 64
/** Of 43 in a SHA-256: 132 bits, far beyond an accidental collision. */
const HASH_CHARACTERS = 22

/**
 * The id of a branch: the same for everybody who computes it, so that another distributor finds what the first one
 * started. `<parent>_f-<index>`, and where that is too long for an id, a hash in place of the parent's.
 */
export function branchId(parent: string, index: number): string {
  const id = `${parent}_f-${index}`
  if (id.length <= MAX_ID) return id
  return `f${createHash('sha256').update(parent).digest('base64url').slice(0, HASH_CHARACTERS)}-${index}`
}
