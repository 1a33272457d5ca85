// What went wrong, told once: in lines for people, or as the contract's refusal for machines.
import { PoolmeshError } from '@poolmesh/types'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { Interrupted } from './interrupt.ts'
import { notice } from './output.ts'

/** @param json tells it as `{"error":{"code","message","issues"}}`, on standard error: standard output has answers only */
export function reportFailure(error: unknown, json: boolean): ExitCode {
  // Whoever waited has been told where to look by the command itself.
  if (error instanceof Interrupted) return EXIT.interrupted
  const failure =
    error instanceof PoolmeshError ? error : new PoolmeshError('INTERNAL', describeDefect(error))
  if (json) process.stderr.write(`${JSON.stringify(failure.toRefusal())}\n`)
  else for (const line of linesOf(failure)) notice(line)
  return exitCodeOf(failure.code)
}

function linesOf({ code, message, issues }: PoolmeshError): string[] {
  // The message has the first issue in it already, where there is one only.
  const details =
    issues.length > 1 ? issues.map((issue) => `  ${issue.path || '(all of it)'}: ${issue.message}`) : []
  return [`${message} (${code})`, ...details]
}

function describeDefect(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const at = error.stack?.split('\n').find((line) => line.trim().startsWith('at '))
  return `unexpected failure: ${error.message.split('\n')[0]}${at ? ` (${at.trim()})` : ''}`
}
