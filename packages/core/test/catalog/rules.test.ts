import type { PoolDescriptor } from '@poolmesh/types'
import { describe, expect, test } from 'vitest'
import {
  adopt,
  cursorAfter,
  cutPage,
  DrainLedger,
  firstThatFit,
  isRegisteredPool,
  nameOfCursor,
  type RegisteredPool,
  registration,
} from '../../src/catalog/index.ts'

const descriptor = (fields: Record<string, unknown> = {}): PoolDescriptor => ({
  name: 'p',
  pool_type: 'mahavishnu',
  endpoint: 'http://pool:8000',
  capabilities: ['a'],
  max_workers: 10,
  current_workers: 0,
  queue_size: 0,
  health_status: 'healthy',
  region: null,
  metadata: {},
  ...fields,
})

describe('registration', () => {
  test('a reply that is sent back brings nothing of the former registration along', () => {
    const sentBack = descriptor({
      load_factor: 1,
      is_available: false,
      utilization: '100.0% (1/1)',
      draining: true,
      registered_at: '1999-01-01T00:00:00.000Z',
      metadata: { discovered_from: 'http://elsewhere', tier: 'gold' },
      custom: 'kept',
    })
    expect(registration(sentBack, null, null, 0)).toEqual(
      descriptor({ metadata: { tier: 'gold' }, custom: 'kept', registered_at: '1970-01-01T00:00:00.000Z' }),
    )
  })

  test('no two registrations of a name have the same time, even when the clock goes back', () => {
    const first = registration(descriptor(), null, null, 5_000)
    const second = registration(descriptor(), null, first, 5_000)
    const third = registration(descriptor(), null, second, 1_000)
    expect([first, second, third].map((pool) => Date.parse(pool.registered_at))).toEqual([
      5_000, 5_001, 5_002,
    ])
  })

  test('keys named __proto__ are kept like others', () => {
    const metadata: Record<string, unknown> = JSON.parse('{"__proto__":{"x":1}}')
    expect(JSON.stringify(registration(descriptor({ metadata }), 'http://e', null, 0).metadata)).toBe(
      '{"__proto__":{"x":1},"discovered_from":"http://e"}',
    )
  })

  test('what is stored and is no pool is told apart', () => {
    expect(isRegisteredPool(registration(descriptor(), null, null, 0))).toBe(true)
    for (const value of [
      null,
      3,
      [],
      {},
      { ...registration(descriptor(), null, null, 0), capabilities: 'a' },
    ])
      expect(isRegisteredPool(value)).toBe(false)
  })
})

describe('adoption of a listed pool', () => {
  const nobodyAsked = () => 'unasked' as const
  const discovered = (endpoint: string, fields: Record<string, unknown> = {}): RegisteredPool =>
    registration(descriptor(fields), endpoint, null, 0)

  test('an unknown pool is new; the same again is kept, whatever its load; another descriptor is a change', () => {
    expect(adopt(null, descriptor(), 'http://a', nobodyAsked)).toBe('new')
    const known = discovered('http://a', { metadata: { list: [{ x: 1 }] } })
    const again = { metadata: { list: [{ x: 1 }] }, current_workers: 3, queue_size: 9, load_factor: 0.3 }
    expect(adopt(known, descriptor(again), 'http://a', nobodyAsked)).toBe('keep')
    for (const change of [
      { ...again, max_workers: 11 },
      { ...again, metadata: { list: [{ x: 2 }] } },
      { ...again, metadata: { list: [{ x: 1 }], more: 1 } },
      { ...again, custom: 1 },
    ])
      expect(adopt(known, descriptor(change), 'http://a', nobodyAsked)).toBe('changed')
  })

  test('what was registered by hand, or drains, stays as it is', () => {
    const byHand = registration(descriptor({ max_workers: 3 }), null, null, 0)
    expect(adopt(byHand, descriptor(), 'http://a', nobodyAsked)).toBe('keep')
    const draining = { ...discovered('http://a', { max_workers: 3 }), draining: true }
    expect(adopt(draining, descriptor(), 'http://a', nobodyAsked)).toBe('keep')
  })

  test('a pool moves to another endpoint only when its own no longer lists it', () => {
    const known = discovered('http://a')
    expect(adopt(known, descriptor(), 'http://b', () => 'unasked')).toBe('keep')
    expect(adopt(known, descriptor(), 'http://b', () => 'yes')).toBe('keep')
    expect(adopt(known, descriptor(), 'http://b', () => 'no')).toBe('changed')
  })
})

describe('draining', () => {
  test('a pool goes when every executor that lives has said so of this registration', () => {
    const ledger = new DrainLedger(0)
    ledger.executorSeen('x', 0)
    ledger.executorSeen('y', 0)
    ledger.drained('p', 'first', 'x', 100)
    expect(ledger.mayGo('p', 'first', 200)).toBe(false)
    ledger.drained('p', 'first', 'y', 300)
    expect(ledger.mayGo('p', 'first', 300)).toBe(true)
    expect(ledger.mayGo('p', 'second', 300)).toBe(false)
    expect(ledger.mayGo('other', 'first', 300)).toBe(false)
    ledger.executorSeen('z', 400)
    expect(ledger.mayGo('p', 'first', 400)).toBe(false)
  })

  test('an executor that is silent for 3 s is not waited for', () => {
    const ledger = new DrainLedger(0)
    ledger.executorSeen('dead', 0)
    ledger.drained('p', 'first', 'x', 3_000)
    expect(ledger.mayGo('p', 'first', 3_000)).toBe(false)
    expect(ledger.mayGo('p', 'first', 3_001)).toBe(true)
  })

  test('with no executor a pool goes after 15 s, counted from when one could be heard', () => {
    const ledger = new DrainLedger(1_000)
    expect(ledger.mayGo('p', 'first', 15_999)).toBe(false)
    expect(ledger.mayGo('p', 'first', 16_000)).toBe(true)
    ledger.executorSeen('x', 16_000)
    expect(ledger.mayGo('p', 'first', 30_999)).toBe(false)
    expect(ledger.mayGo('p', 'first', 31_000)).toBe(true)
  })

  test('what was said of a pool is forgotten when it drains no longer', () => {
    const ledger = new DrainLedger(0)
    ledger.drained('p', 'first', 'x', 0)
    ledger.prune(new Set(), 0)
    expect(ledger.mayGo('p', 'first', 0)).toBe(false)
  })
})

describe('pages', () => {
  const items = ['a', 'b', 'c'].map((name) => ({ name, text: 'ü'.repeat(100) }))

  test('end at the limit, and the last one has no cursor', () => {
    expect(cutPage(items, 2, 10_000)).toEqual({ items: items.slice(0, 2), cursor: cursorAfter('b') })
    expect(cutPage(items, 3, 10_000)).toEqual({ items, cursor: null })
    expect(cutPage([], 3, 10_000)).toEqual({ items: [], cursor: null })
  })

  test('end before they have too many bytes, but never empty', () => {
    const bytes = Buffer.byteLength(JSON.stringify(items.slice(0, 2)))
    expect(cutPage(items, 10, bytes).items).toHaveLength(2)
    expect(cutPage(items, 10, bytes - 2).items).toHaveLength(1)
    expect(cutPage(items, 10, 1).items).toHaveLength(1)
  })

  test('a cursor is one of ours or none', () => {
    expect(nameOfCursor(cursorAfter('pool_1-x'))).toBe('pool_1-x')
    for (const cursor of [
      '',
      'not base64!',
      Buffer.from('a.b').toString('base64url'),
      `${cursorAfter('a')}=`,
    ])
      expect(nameOfCursor(cursor)).toBeNull()
  })

  test('lists are cut to what fits', () => {
    expect(firstThatFit(['aa', 'bb', 'cc'], 10)).toEqual(['aa', 'bb'])
    expect(firstThatFit(['aa', 'bb', 'cc'], 100)).toEqual(['aa', 'bb', 'cc'])
  })
})
