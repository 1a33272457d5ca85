import { Publisher } from '@poolmesh/bus'
import { startTestServer, until } from '@poolmesh/testkit'
import { NOTES_TOGETHER } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { Notes } from '../src/notes.ts'

const result = (id: string): string => JSON.stringify({ task_id: id, status: 'completed' })

test('results of one turn come in one message where the subject says so, else each as it was written', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  using publisher = new Publisher(nc)
  const heard: [subject: string, text: string][] = []
  nc.subscribe('told.>', { callback: (_, message) => void heard.push([message.subject, message.string()]) })
  const notes = new Notes(publisher)
  const many = `told.a${NOTES_TOGETHER}`
  const other = `told.b${NOTES_TOGETHER}`

  notes.tell(many, result('1'))
  notes.tell('told.plain', result('2'))
  notes.tell(many, `[${result('3')},${result('4')}]`)
  notes.tell('told.plain', `[${result('5')}]`)
  notes.tell(other, result('6'))
  await until(() => heard.length >= 4)
  notes.tell(many, result('7'))
  await until(() => heard.length >= 5)

  const of = (subject: string): unknown[] =>
    heard.filter(([at]) => at === subject).map(([, text]) => JSON.parse(text))
  const told = (id: string): unknown => JSON.parse(result(id))
  expect(of('told.plain')).toEqual([told('2'), [told('5')]])
  expect(of(other)).toEqual([[told('6')]])
  expect(of(many)).toEqual([[told('1'), told('3'), told('4')], [told('7')]])
})

test('what would be too long for one message goes in several, each a whole array', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  using publisher = new Publisher(nc)
  const heard: string[] = []
  const subject = `told.large${NOTES_TOGETHER}`
  nc.subscribe(subject, { callback: (_, message) => void heard.push(message.string()) })
  const notes = new Notes(publisher)
  const sent = Array.from({ length: 10 }, (_, i) => ({ task_id: `t${i}`, output: 'x'.repeat(100_000) }))
  for (const one of sent) notes.tell(subject, JSON.stringify(one))
  await until(() => heard.flatMap((text) => JSON.parse(text)).length >= sent.length)
  expect(heard.flatMap((text) => JSON.parse(text))).toEqual(sent)
  expect(heard.length).toBeGreaterThan(1)
  for (const text of heard) expect(text.length).toBeLessThan(nc.info?.max_payload ?? 0)
})
