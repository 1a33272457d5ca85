// Stand-ins for what Node has had since version 24 or 22, put into the published packages wherever their code names it.
// Nothing global is changed: where the runtime has the real one, that is used.

type Disposer = () => unknown

/** Runs all of them, the last first; what they throw is thrown at the end, together when it is more than one. */
function throwTogether(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'several resources could not be disposed')
}

export class PlainDisposableStack {
  #disposers: Disposer[] = []
  #disposed = false

  get disposed(): boolean {
    return this.#disposed
  }

  use<T extends Disposable | null | undefined>(value: T): T {
    if (value) this.defer(() => value[Symbol.dispose]())
    return value
  }

  adopt<T>(value: T, onDispose: (value: T) => void): T {
    this.defer(() => onDispose(value))
    return value
  }

  defer(disposer: () => void): void {
    if (this.#disposed) throw new ReferenceError('the stack is disposed already')
    this.#disposers.push(disposer)
  }

  move(): PlainDisposableStack {
    const moved = new PlainDisposableStack()
    moved.#disposers = this.#disposers
    this.#disposers = []
    this.#disposed = true
    return moved
  }

  dispose(): void {
    this.#disposed = true
    const errors: unknown[] = []
    for (let disposer = this.#disposers.pop(); disposer; disposer = this.#disposers.pop())
      try {
        disposer()
      } catch (error) {
        errors.push(error)
      }
    throwTogether(errors)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

export class PlainAsyncDisposableStack {
  #disposers: Disposer[] = []
  #disposed = false

  get disposed(): boolean {
    return this.#disposed
  }

  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    if (value)
      this.defer(() =>
        Symbol.asyncDispose in value ? value[Symbol.asyncDispose]() : (value as Disposable)[Symbol.dispose](),
      )
    return value
  }

  adopt<T>(value: T, onDispose: (value: T) => PromiseLike<void> | void): T {
    this.defer(() => onDispose(value))
    return value
  }

  defer(disposer: () => PromiseLike<void> | void): void {
    if (this.#disposed) throw new ReferenceError('the stack is disposed already')
    this.#disposers.push(disposer)
  }

  move(): PlainAsyncDisposableStack {
    const moved = new PlainAsyncDisposableStack()
    moved.#disposers = this.#disposers
    this.#disposers = []
    this.#disposed = true
    return moved
  }

  async disposeAsync(): Promise<void> {
    this.#disposed = true
    const errors: unknown[] = []
    for (let disposer = this.#disposers.pop(); disposer; disposer = this.#disposers.pop())
      try {
        await disposer()
      } catch (error) {
        errors.push(error)
      }
    throwTogether(errors)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync()
  }
}

export function plainWithResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: PromiseWithResolvers<T>['resolve']
  let reject!: PromiseWithResolvers<T>['reject']
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

export const DisposableStack = globalThis['DisposableStack'] ?? PlainDisposableStack
export const AsyncDisposableStack = globalThis['AsyncDisposableStack'] ?? PlainAsyncDisposableStack
export const withResolvers: typeof Promise.withResolvers =
  globalThis.Promise['withResolvers']?.bind(Promise) ?? plainWithResolvers
