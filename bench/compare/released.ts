// Whether this tree is as fast as what was released last: ratios to the floor and to a peer of the same run, since the machine's
// own speed goes out of those.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROWS, SAME_JOB } from './contenders.ts'
import { speedOf } from './rounds.ts'
import type { Found } from './targets.ts'

const FILE = join(import.meta.dirname, '..', 'released.json')
/** What may be lost of a ratio. */
const MAX_FALL = 0.2
/** The peer that nearly every machine with Debian can run: it needs nothing but redis-server. */
const PEER = 'bullmq'

export interface Compared {
  what: string
  now: number
  released: number
  hasFallen: boolean
}

interface Released {
  at: string
  ratios: Record<string, number>
}

/** Rows that were not measured are left out. */
export function ratiosOf({ rows }: Found): Record<string, number> {
  const speed = (system: string, name: string): number =>
    speedOf(rows.find((row) => row.system === system && row.row === name))
  const against = { 'the floor': speed('floor', ROWS.many), [PEER]: speed(PEER, SAME_JOB) }
  const all = Object.values(ROWS).flatMap((name) =>
    Object.entries(against).map(([whom, theirs]) => [
      `${name}, against ${whom}`,
      speed('poolmesh', name) / theirs,
    ]),
  )
  return Object.fromEntries(all.filter(([, ratio]) => Number.isFinite(ratio)))
}

export function compared(now: Record<string, number>, released: Record<string, number>): Compared[] {
  return Object.entries(released).flatMap(([what, before]) => {
    const ratio = now[what]
    if (ratio === undefined) return []
    return [{ what, now: ratio, released: before, hasFallen: ratio < before * (1 - MAX_FALL) }]
  })
}

/** @throws where nothing was released yet */
export async function readReleased(): Promise<Released> {
  return JSON.parse(await readFile(FILE, 'utf8')) as Released
}

export async function writeReleased(ratios: Record<string, number>): Promise<void> {
  const rounded = Object.fromEntries(
    Object.entries(ratios).map(([what, ratio]) => [what, Number(ratio.toFixed(3))]),
  )
  const text = { at: new Date().toISOString().slice(0, 10), ratios: rounded }
  await writeFile(FILE, `${JSON.stringify(text, null, 2)}\n`)
}
