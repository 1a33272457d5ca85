// Flesch Reading Ease: R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948) 221–233:
//   206.835 − 1.015 · words / sentences − 84.6 · syllables / words
// For English prose: 100 is very easy, 0 very hard, and either can be passed. Tables and code mislead it.
import { wordsOf } from './words.ts'

/** Ends of sentences; a paragraph ends one too, so that headings and list items count. */
const SENTENCE_END = /[.!?…]+(?=["'”’)\]]*(?:\s|$))|\n\s*\n/u

/** By Flesch's own table. */
const BANDS: [number, string][] = [
  [90, 'very easy'],
  [80, 'easy'],
  [70, 'fairly easy'],
  [60, 'standard'],
  [50, 'fairly difficult'],
  [30, 'difficult'],
  [Number.NEGATIVE_INFINITY, 'very difficult'],
]

export interface Readability {
  sentences: number
  words: number
  syllables: number
  /** With two decimals; null for a text without words. */
  flesch_reading_ease: number | null
  band: string | null
}

export function readability(text: string): Readability {
  const words = wordsOf(text)
  const sentences = text.split(SENTENCE_END).filter((part) => /\p{L}/u.test(part)).length
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0)
  const counts = { sentences, words: words.length, syllables }
  if (words.length === 0) return { ...counts, flesch_reading_ease: null, band: null }
  const ease = 206.835 - (1.015 * words.length) / sentences - (84.6 * syllables) / words.length
  const band = BANDS.find(([least]) => ease >= least)?.[1] ?? null
  return { ...counts, flesch_reading_ease: Math.round(ease * 100) / 100, band }
}

/**
 * Groups of vowels, less a silent e at the end (`make`, but not `table`) and a silent -es or -ed (`makes`, `jumped`,
 * but not `boxes` or `wanted`). A rule of thumb for English that is right for about nine words in ten.
 */
export function syllablesOf(word: string): number {
  const letters = word
    .normalize('NFD')
    .replace(/[^a-z]/gi, '')
    .toLowerCase()
  const sounded = letters
    .replace(/([^aeiouylr]|[aeiouy][lr]|^[lr])e$/, '$1')
    .replace(/([^aeioutdsxz]|[^cs]h)e[sd]$/, '$1')
    // Two sounds: `reptilian`, `media`; but one in `social`.
    .replace(/([^cgst]i)a/g, '$1-a')
  return Math.max(1, sounded.match(/[aeiouy]+/g)?.length ?? 0)
}
