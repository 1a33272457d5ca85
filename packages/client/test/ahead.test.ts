// Results that are told while they are stored, in whatever order the halves come.
import type { Msg } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { AheadNotes } from '../src/submission/ahead.ts'

const message = (text: string): Msg =>
  ({ data: Buffer.from(text), json: () => JSON.parse(text), string: () => text }) as unknown as Msg
const result = message('{"task_id":"t","status":"completed"}')
const stored = message('{"stream":"RESULTS","seq":7}')
const refused = message('{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"}}')

test('a result counts once the broker has said that it is stored, whichever comes first', () => {
  const notes = new AheadNotes()
  expect(notes.hear('told.w.1', result)).toBeNull()
  expect(notes.hear('stored.w.1', stored)).toBe(result)
  expect(notes.hear('stored.w.2', stored)).toBeNull()
  expect(notes.hear('told.w.2', result)).toBe(result)
  // Each once.
  expect(notes.hear('stored.w.1', stored)).toBeNull()
})

test('what the broker refused is dropped, and no other writer or number confirms it', () => {
  const notes = new AheadNotes()
  expect(notes.hear('told.w.1', result)).toBeNull()
  expect(notes.hear('stored.x.1', stored)).toBeNull()
  expect(notes.hear('stored.w.2', stored)).toBeNull()
  expect(notes.hear('stored.w.1', refused)).toBeNull()
  expect(notes.hear('stored.w.1', stored)).toBeNull()
  expect(notes.hear('stored.w.3', refused)).toBeNull()
  expect(notes.hear('told.w.3', result)).toBeNull()
})

test('of halves whose other never comes the oldest go', () => {
  const notes = new AheadNotes()
  for (let n = 0; n < 257; n++) notes.hear(`told.w.${n}`, result)
  expect(notes.hear('stored.w.0', stored)).toBeNull()
  expect(notes.hear('stored.w.1', stored)).toBeNull()
  expect(notes.hear('stored.w.256', stored)).toBe(result)
})
