import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let it: Served
beforeAll(async () => {
  it = await startServed()
})
afterAll(() => it[Symbol.asyncDispose]())

test('openapi.json is a valid OpenAPI 3.1 document', async () => {
  const { status, body } = await it.ask('GET', '/api/v1/openapi.json')
  expect(status).toBe(200)
  expect(body.openapi).toBe('3.1.0')
  const checked = await new Validator().validate(body)
  expect(checked.errors ?? []).toEqual([])
  expect(checked.valid).toBe(true)
})

test('every route of the table in docs/http.md is in it, and every path of it is in the table', async () => {
  const { body } = await it.ask('GET', '/api/v1/openapi.json')
  const text = readFileSync(join(import.meta.dirname, '../../../docs/http.md'), 'utf8')
  const table = text.slice(text.indexOf('## What is served'), text.indexOf('\nLists are'))
  const paths = Object.keys(body.paths)
  const named = [...table.matchAll(/`(?:(?:GET|POST|DELETE) )?(\/[^`?]+)\??[^`]*`/g)].map(([, path]) => path)
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((path) => !paths.includes(path as string))).toEqual([])
  const short = [...table.matchAll(/…(\/[a-z]+)/g)].map(([, end]) => end as string)
  const unnamed = paths.filter((path) => !named.includes(path) && !short.some((end) => path.endsWith(end)))
  expect(unnamed).toEqual([])
})

test('the schema of a task is the one that the bus has', async () => {
  const { body } = await it.ask('GET', '/api/v1/openapi.json')
  const { schema } = body.paths['/api/v1/tasks'].post.requestBody.content['application/json']
  expect(schema.required).toEqual(['task_type', 'payload'])
  expect(schema.properties.timeout).toMatchObject({ minimum: 1, maximum: 3600 })
})
