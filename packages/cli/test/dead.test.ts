import type { DistributedPoolSystem } from '@poolmesh/client'
import { deadLetterSchema, deadListReplySchema, deadRetryReplySchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsFor, jsonOf, startPool, startSystem } from './system.ts'

const POOLS = 5

let system: DistributedPoolSystem
let run: ReturnType<typeof commandsFor>
beforeAll(async () => {
  system = await startSystem()
  run = commandsFor(system.url)
})
afterAll(() => system?.[Symbol.asyncDispose]())

/** A task that took five pools with it. @returns its id */
async function poison(): Promise<string> {
  for (let i = 0; i < POOLS; i++)
    await startPool(system, `victim-${i}`, ['poison'], async () => {
      await system.registry.deregisterPool(`victim-${i}`)
      return await new Promise(() => {})
    })
  const task = { task_type: 'deadly', payload: { n: 7 }, required_capabilities: ['poison'] }
  const { task_id, metadata } = await system.executor.executeTask(task)
  expect(metadata).toMatchObject({ reason: 'POISON' })
  return task_id
}

test('without dead letters there is nothing to list, show, send again or take out', async () => {
  const none = { code: 0, stdout: '', stderr: 'poolmesh: no task is a dead letter\n' }
  expect(await run(['dead', 'list'])).toEqual(none)
  expect(jsonOf(await run(['dead', 'list', '--json']))).toEqual({ dead: [], cursor: null })
  for (const command of ['show', 'retry', 'purge']) {
    const { code, stderr } = await run(['dead', command, 'nobody'])
    expect({ command, code, stderr }).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/nobody.*\(NOT_FOUND\)/),
    })
  }
  expect(await run(['dead', 'purge', '--all'])).toMatchObject({ code: 0, stdout: '0 taken out\n' })
})

test('one is listed, shown and sent again', async () => {
  const id = await poison()
  const list = await run(['dead', 'list'])
  expect(list).toMatchObject({ code: 0, stderr: '' })
  const [titles, line] = list.stdout.split('\n')
  expect(titles?.trim().split(/\s+/)).toEqual(['task', 'type', 'reason', 'since', 'error'])
  expect(line).toMatch(new RegExp(`^ +${id} +deadly +POISON +\\S+Z +5 pools were lost`))
  expect(deadListReplySchema.parse(jsonOf(await run(['dead', 'list', '--json']))).dead).toHaveLength(1)
  const markdown = await run(['dead', 'list', '--format', 'markdown'])
  expect(markdown.stdout).toMatch(
    new RegExp(`^\\| task +\\| type .*\\n\\| -[-| ]+\\n\\| ${id} +\\| deadly +\\| POISON `),
  )
  expect(jsonOf(await run(['dead', 'list', '--format', 'json']))).toMatchObject({ cursor: null })
  const shown = await run(['dead', 'show', id])
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  expect(shown.stdout.match(/victim-\d: POOL_LOST/g)).toHaveLength(POOLS)
  expect(shown.stdout).toContain('{"n":7}')
  expect(deadLetterSchema.parse(jsonOf(await run(['dead', 'show', id, '--json']))).task.task_id).toBe(id)
  const again = deadRetryReplySchema.parse(jsonOf(await run(['dead', 'retry', id, '--json'])))
  expect(await system.executor.getTaskStatus(again.task_id)).toMatchObject({ status: 'pending' })
  expect(await run(['dead', 'show', id])).toMatchObject({ code: 4 })
  expect(await system.executor.cancelTask(again.task_id)).toBe(true)
})

test('one is taken out, and all are', async () => {
  const id = await poison()
  expect(await run(['dead', 'purge'])).toMatchObject({ code: 2 })
  expect(await run(['dead', 'purge', id, '--all'])).toMatchObject({ code: 2 })
  expect(await run(['dead', 'purge', id])).toMatchObject({ code: 0, stdout: '1 taken out\n' })
  await poison()
  expect(jsonOf(await run(['dead', 'purge', '--all', '--json']))).toEqual({ purged: 1 })
})
