// Contract: every service is also a NATS micro service; $SRV.PING|INFO|STATS find it.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Json, type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

interface Identity extends Json {
  name: string
  id: string
  version: string
  type: string
}

/** What all services answer together. */
async function all<T extends Identity>(subject: string, atLeast = 4): Promise<T[]> {
  const inbox = unique('_INBOX.micro')
  const answers = await stranger.listen<T>(inbox)
  stranger.nc.publish(subject, '', { reply: inbox })
  await until(() => answers.length >= atLeast, `${atLeast} answers to ${subject}`)
  return answers
}

const SUBJECTS = [
  ['task.result', 'task.status', 'task.cancel', 'task.explain', 'executor.stats'],
  ['task.distribute'],
  ['pool.register', 'pool.deregister', 'pool.list', 'pool.get', 'pool.stats', 'pool.discover'],
  ['health.check', 'health.history', 'health.stats'],
]

test('$SRV.PING finds each', async () => {
  const found = await all('$SRV.PING')
  expect(new Set(found.map((service) => service.name)).size).toBe(4)
  for (const service of found)
    expect(service).toMatchObject({
      type: 'io.nats.micro.v1.ping_response',
      id: expect.stringMatching(/./),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
})

test('$SRV.INFO tells what each answers, all subjects of the contract among them', async () => {
  const found = await all<Identity & { description: string; endpoints: { name: string; subject: string }[] }>(
    '$SRV.INFO',
  )
  for (const service of found)
    expect(service).toMatchObject({
      type: 'io.nats.micro.v1.info_response',
      description: expect.stringMatching(/./),
    })
  const offered = found.map((service) => service.endpoints.map((endpoint) => endpoint.subject))
  for (const subjects of SUBJECTS)
    expect(
      offered.some((own) => subjects.every((subject) => own.includes(subject))),
      subjects.join(),
    ).toBe(true)
})

test('$SRV.STATS counts requests', async () => {
  interface Stats extends Identity {
    started: string
    endpoints: { subject: string; num_requests: number; num_errors: number }[]
  }
  const requests = async (subject: string): Promise<number> => {
    const found = await all<Stats>('$SRV.STATS')
    for (const service of found)
      expect(service).toMatchObject({ type: 'io.nats.micro.v1.stats_response', started: expect.any(String) })
    const endpoint = found.flatMap((service) => service.endpoints).find((one) => one.subject === subject)
    expect(endpoint, subject).toBeDefined()
    return endpoint?.num_requests ?? -1
  }
  for (const [subject] of SUBJECTS.map((subjects) => subjects.slice(-1))) {
    const before = await requests(subject!)
    await stranger.ask(subject!, '{}')
    expect(await requests(subject!)).toBe(before + 1)
  }
})

test('each is found by its name, and by its id', async () => {
  for (const { name, id } of await all('$SRV.PING')) {
    expect(await stranger.ask(`$SRV.PING.${name}`)).toMatchObject({ name, id })
    expect(await stranger.ask(`$SRV.INFO.${name}.${id}`)).toMatchObject({ name, id })
    expect(await stranger.ask(`$SRV.STATS.${name}.${id}`)).toMatchObject({ name, id })
  }
})
