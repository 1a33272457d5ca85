import type { Run } from '@poolmesh/core'
import { expect, test, vi } from 'vitest'
import type { Traits } from '../src/adapter.ts'
import { Executor, idOf, type Told, WAITING } from './executor.ts'
import type { Ability, ScriptedPool, Subject } from './subject.ts'

/** A pool, and the executor that sends to it. */
export class Setting implements AsyncDisposable {
  readonly pool: ScriptedPool
  readonly executor: Executor
  readonly #subject: Subject
  readonly #owned: AsyncDisposableStack

  private constructor(subject: Subject, pool: ScriptedPool, executor: Executor, owned: AsyncDisposableStack) {
    this.#subject = subject
    this.pool = pool
    this.executor = executor
    this.#owned = owned
  }

  static async of(subject: Subject): Promise<Setting> {
    await using owned = new AsyncDisposableStack()
    const pool = owned.use(await subject.pool())
    const executor = owned.use(await Executor.start(subject))
    return new Setting(subject, pool, executor, owned.move())
  }

  get traits(): Traits {
    return this.executor.adapter.traits(this.pool.descriptor)
  }

  /** An executor on another machine. */
  async another(): Promise<Executor> {
    return this.#owned.use(await Executor.start(this.#subject))
  }

  async begun(run: Run): Promise<void> {
    await vi.waitUntil(async () => (await this.pool.begun(idOf(run))) > 0, WAITING)
  }

  async stopped(run: Run): Promise<void> {
    await vi.waitUntil(async () => await this.pool.stopped(idOf(run)), WAITING)
  }

  expectCompleted(told: Told, run: Run): void {
    const output = run.entry.task.payload['output'] as Record<string, unknown>
    expect(told).toMatchObject({
      kind: 'answer',
      answer: { kind: 'answer', answer: { status: 'completed' } },
    })
    expectAttempt(told, run)
    if (this.traits.output && told.kind === 'answer' && told.answer.kind === 'answer')
      expect(told.answer.answer.output).toEqual(this.#subject.outputOf?.(output) ?? output)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** The number of the run, or null from pools that were never told it. */
export const expectAttempt = (told: Told, run: Run): void =>
  expect([run.attempt, null]).toContain(told.attempt)

interface Check {
  name: string
  /** The check is left out where the subject says that it cannot do this. */
  ability?: Ability
  /** Whether pools of such traits promise it. */
  concerns?: (traits: Traits) => boolean
  run: (setting: Setting) => Promise<void>
}

/** A row of the table. What a subject cannot do is skipped and says why; what its traits do not promise is no row. */
export function check(subject: Subject, { name, ability, concerns, run }: Check): void {
  if (concerns?.(subject.traits) === false) return
  const reason = ability && subject.cannot?.[ability]
  if (reason) process.stderr.write(`skipped: ${subject.name}: ${name}: ${reason}\n`)
  test.skipIf(reason)(name, async () => {
    await using setting = await Setting.of(subject)
    await run(setting)
  })
}
