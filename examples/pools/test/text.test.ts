import { expect, test } from 'vitest'
import { readability, syllablesOf } from '../src/readability.ts'
import { countWords, wordsOf } from '../src/words.ts'

test('words are letters of any script with what belongs inside them', () => {
  expect(wordsOf("Don't stop – the well-kept naïve UTF8 файл, 42 times")).toEqual([
    "don't",
    'stop',
    'the',
    'well-kept',
    'naïve',
    'utf8',
    'файл',
    'times',
  ])
})

test('words are counted, the most frequent first and equals in order of the alphabet', () => {
  expect(countWords('b a b\nc A b.\n', 2)).toEqual({
    characters: 13,
    lines: 2,
    words: 6,
    unique_words: 3,
    top: [
      { word: 'b', count: 3 },
      { word: 'a', count: 2 },
    ],
  })
  expect(countWords('', 5)).toEqual({ characters: 0, lines: 0, words: 0, unique_words: 0, top: [] })
})

test.each([
  ['cat', 1],
  ['make', 1],
  ['table', 2],
  ['jumped', 1],
  ['wanted', 2],
  ['boxes', 2],
  ['makes', 1],
  ['reading', 2],
  ['banana', 3],
  ['reptilian', 4],
  ['social', 2],
  ['the', 1],
  ['be', 1],
  ['hmm', 1],
])('%s has %i syllables', (word, count) => {
  expect(syllablesOf(word)).toBe(count)
})

test('Flesch reading ease by his formula', () => {
  // 206.835 − 1.015 · 6/1 − 84.6 · 6/6
  expect(readability('The cat sat on the mat.')).toEqual({
    sentences: 1,
    words: 6,
    syllables: 6,
    flesch_reading_ease: 116.15,
    band: 'very easy',
  })
  // 206.835 − 1.015 · 4/2 − 84.6 · 10/4
  expect(readability('Banana banana. Table banana!')).toEqual({
    sentences: 2,
    words: 4,
    syllables: 11,
    flesch_reading_ease: -27.84,
    band: 'very difficult',
  })
})

test('headings and paragraphs end sentences, a dot inside a number does not, and no words have no score', () => {
  expect(readability('A heading\n\nIt costs 3.50 today. He said "no." Then left').sentences).toBe(4)
  expect(readability('42!')).toEqual({
    sentences: 0,
    words: 0,
    syllables: 0,
    flesch_reading_ease: null,
    band: null,
  })
})
