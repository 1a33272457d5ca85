import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { formatProgress, Progress } from '../src/index.ts'

const speed = { perSecond: 12_345, secondsLeft: 185 }

test('the bar gives way to the words, and the words to the terminal', () => {
  const state = { done: 1_234_567, fraction: 0.5, note: '2 bad\u001b[2J lines' }
  const at = (width: number): string => formatProgress(state, speed, ['task', 'tasks'], width)
  const words = ' 50%  1,234,567 tasks  12,345/s  3m 05s left'
  expect(at(200)).toBe(`${'█'.repeat(15)}${'░'.repeat(15)} ${words}  2 bad\\u{1b}[2J lines`)
  expect(at(80)).toBe(`${'█'.repeat(6)}${'░'.repeat(5)} ${words}  2 bad\\u{1b}[2J lines`)
  expect(at(40)).toBe('███░░░  50%  1,234,567 tasks  12,345/s')
  expect(at(12)).toBe('███░░  50%')
})

test('without a known end there is no bar, and a long time is told in hours', () => {
  expect(
    formatProgress(
      { done: 7, fraction: null },
      { perSecond: null, secondsLeft: null },
      ['task', 'tasks'],
      80,
    ),
  ).toBe('7 tasks')
  const slow = { perSecond: 1, secondsLeft: 7_800 }
  expect(formatProgress({ done: 7, fraction: 0.01 }, slow, ['task', 'tasks'], 60)).toContain('2h 10m left')
})

/** What a stream got that is a terminal, or none. */
function heard(terminal: boolean) {
  const stream = new PassThrough()
  const written: string[] = []
  stream.on('data', (chunk: Buffer) => written.push(chunk.toString()))
  return { written, stream: Object.assign(stream, { isTTY: terminal, columns: 80, rows: 24 }) }
}

test('elsewhere than on a terminal there are plain lines, and the last one tells the whole', async () => {
  const { written, stream } = heard(false)
  {
    const options = {
      unit: ['task', 'tasks'] as const,
      stream: stream as unknown as NodeJS.WriteStream,
      plainEveryMs: 5,
    }
    using progress = new Progress(options)
    progress.update({ done: 100, fraction: 0 })
    await once(stream, 'data')
    progress.update({ done: 300, fraction: 1 })
  }
  expect(written[0]).toMatch(/^░{30} {3}0% {2}100 tasks\n$/)
  expect(written.at(-1)).toMatch(/^█{30} 100% {2}300 tasks {2}[\d,]+\/s\n$/)
})

test('on a terminal the last state stays', () => {
  const { written, stream } = heard(true)
  {
    using progress = new Progress({
      unit: ['branch', 'branches'],
      stream: stream as unknown as NodeJS.WriteStream,
    })
    progress.update({ done: 1, fraction: 0.25 })
  }
  expect(stripVTControlCharacters(written.join(''))).toMatch(/ {2}25% {2}1 branch\n$/)
})

test('what never began says nothing, nor does what is over at once, unless it can be redrawn', () => {
  const { written, stream } = heard(false)
  new Progress({ unit: ['task', 'tasks'] as const, stream: stream as unknown as NodeJS.WriteStream })[
    Symbol.dispose
  ]()
  {
    using progress = new Progress({
      unit: ['task', 'tasks'] as const,
      stream: stream as unknown as NodeJS.WriteStream,
    })
    progress.update({ done: 1, fraction: 1 })
  }
  expect(written).toEqual([])
})
