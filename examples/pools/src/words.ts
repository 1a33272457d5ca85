// What a text consists of.

/** Letters of any script, with digits, apostrophes and hyphens inside: `don’t`, `well-kept`, `naïve`, `utf8`. */
const WORD = /\p{L}[\p{L}\p{M}\p{N}]*(?:['’-][\p{L}\p{M}\p{N}]+)*/gu

/** In lower case, in order. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(WORD) ?? []

export interface WordCount {
  characters: number
  lines: number
  words: number
  unique_words: number
  /** The most frequent first; words that are as frequent, by code point. */
  top: { word: string; count: number }[]
}

/** @param top how many of the most frequent words are listed */
export function countWords(text: string, top: number): WordCount {
  const counts = new Map<string, number>()
  const words = wordsOf(text)
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return {
    characters: text.length,
    lines: text === '' ? 0 : text.replace(/\n$/, '').split('\n').length,
    words: words.length,
    unique_words: counts.size,
    top: [...counts]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .slice(0, top)
      .map(([word, count]) => ({ word, count })),
  }
}
