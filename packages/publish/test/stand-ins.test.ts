// What stands in for DisposableStack and its like does what the real ones do; both are tried with the same code.
import { describe, expect, test } from 'vitest'
import { PlainAsyncDisposableStack, PlainDisposableStack, plainWithResolvers } from '../src/stand-ins.ts'

describe.each([
  ['the real DisposableStack', DisposableStack],
  ['its stand-in', PlainDisposableStack],
])('%s', (_, Stack) => {
  test('disposes of the last first, once, and of what was moved only with where it went', () => {
    const done: string[] = []
    const stack = new Stack()
    stack.defer(() => void done.push('first'))
    expect(stack.use({ name: 'kept', [Symbol.dispose]: () => void done.push('second') }).name).toBe('kept')
    expect(stack.use(null)).toBe(null)
    expect(stack.adopt('third', (value) => void done.push(value))).toBe('third')
    const moved = stack.move()
    expect([stack.disposed, moved.disposed]).toEqual([true, false])
    stack.dispose()
    expect(done).toEqual([])
    moved[Symbol.dispose]()
    moved.dispose()
    expect(done).toEqual(['third', 'second', 'first'])
    expect(() => moved.defer(() => {})).toThrow(ReferenceError)
  })

  test('goes on when one throws, and throws that at the end', () => {
    const done: string[] = []
    const stack = new Stack()
    stack.defer(() => void done.push('first'))
    stack.defer(() => {
      throw new Error('second')
    })
    expect(() => stack.dispose()).toThrow('second')
    expect(done).toEqual(['first'])
  })
})

describe.each([
  ['the real AsyncDisposableStack', AsyncDisposableStack],
  ['its stand-in', PlainAsyncDisposableStack],
])('%s', (_, Stack) => {
  test('waits for each before the next, whichever way it is disposed of', async () => {
    const done: string[] = []
    const stack = new Stack()
    stack.use({ [Symbol.dispose]: () => void done.push('first') })
    stack.use({
      async [Symbol.asyncDispose]() {
        await Promise.resolve()
        done.push('second')
      },
    })
    stack.defer(async () => {
      await Promise.resolve()
      done.push('third')
    })
    await stack.move().disposeAsync()
    expect(done).toEqual(['third', 'second', 'first'])
  })

  test('goes on when one rejects, and rejects with that at the end', async () => {
    const done: string[] = []
    const stack = new Stack()
    stack.adopt('first', (value) => void done.push(value))
    stack.defer(() => Promise.reject(new Error('second')))
    await expect(stack[Symbol.asyncDispose]()).rejects.toThrow('second')
    expect(done).toEqual(['first'])
  })
})

test('the stand-in of Promise.withResolvers resolves and rejects', async () => {
  const good = plainWithResolvers<number>()
  good.resolve(7)
  const bad = plainWithResolvers<number>()
  bad.reject(new Error('no'))
  expect(await good.promise).toBe(7)
  await expect(bad.promise).rejects.toThrow('no')
})
