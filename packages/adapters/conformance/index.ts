// Checks that any PoolAdapter can be run against, with pools of its kind. See docs/adapters.md.
import { describe } from 'vitest'
import { cancelling } from './cancelling.ts'
import { handover } from './handover.ts'
import { leaving } from './leaving.ts'
import { outcomes } from './outcomes.ts'
import type { Subject } from './subject.ts'

export type { Ability, Script, ScriptedPool, Subject } from './subject.ts'

/** Registers a vitest test for each check. Call it at the top of a test file. */
export function conformance(subject: Subject): void {
  describe(subject.name, () => {
    outcomes(subject)
    cancelling(subject)
    handover(subject)
    leaving(subject)
  })
}
