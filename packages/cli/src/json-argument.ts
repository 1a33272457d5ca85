// JSON as an option takes it: itself, `@file`, or `-` for standard input.
import { readFile } from 'node:fs/promises'
import { PoolmeshError, parseJson } from '@poolmesh/types'

/** @throws PoolmeshError INVALID_INPUT when it cannot be read, INVALID_JSON when it is none; both name the option */
export async function readJsonArgument(option: string, argument: string): Promise<unknown> {
  const { text, what } = await readArgument(option, argument)
  return parseJson(text, what)
}

async function readArgument(option: string, argument: string): Promise<{ text: string; what: string }> {
  if (argument === '-' || argument === '@-')
    return { text: await standardInput(), what: `${option} (standard input)` }
  if (!argument.startsWith('@')) return { text: argument, what: option }
  const file = argument.slice(1)
  try {
    return { text: await readFile(file, 'utf8'), what: `${option} (the file ${file})` }
  } catch (cause) {
    const message = `the file ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? cause})`
    throw new PoolmeshError('INVALID_INPUT', `${option}: ${message}`, [], { cause })
  }
}

async function standardInput(): Promise<string> {
  process.stdin.setEncoding('utf8')
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  return text
}
