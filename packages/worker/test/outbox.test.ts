import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Outbox } from '../src/outbox.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setImmediate', 'clearImmediate'] }))
afterEach(() => void vi.useRealTimers())

function outbox() {
  const sent: string[] = []
  const box = new Outbox(
    (subject, data) => void sent.push(`${subject} ${Buffer.from(data as Uint8Array).toString()}`),
    () => 1_000_000,
  )
  const answer = (text: string): void => {
    box.add({ subject: 's', many: false }, text)
    box.flush()
  }
  return { box, sent, answer }
}

test('what gets ready while the connection is away, and what was sent last before, is sent when it is back', () => {
  const { box, sent, answer } = outbox()
  answer('long before')
  vi.advanceTimersByTime(60_000)
  answer('just before')
  box.pause()
  answer('away')
  vi.advanceTimersByTime(300_000)
  box.sendAgain()
  expect(sent).toEqual(['s long before', 's just before'])
  sent.length = 0
  box.resume()
  expect(sent).toEqual(['s just before', 's away'])
  // Whoever waits for them may be later than we are.
  box.sendAgain()
  expect(sent).toEqual(['s just before', 's away', 's just before', 's away'])
})

test('two breaks in a row lose nothing', () => {
  const { box, sent, answer } = outbox()
  box.pause()
  answer('one')
  box.pause()
  answer('two')
  box.resume()
  box.pause()
  box.resume()
  expect(sent.filter((text) => text === 's one')).toHaveLength(2)
  expect(sent.filter((text) => text === 's two')).toHaveLength(2)
})
