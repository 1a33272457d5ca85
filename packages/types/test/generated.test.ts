import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asyncApi } from '../scripts/asyncapi.ts'
import { EXAMPLES } from '../scripts/examples.ts'
import { DOCS, generatedFiles } from '../scripts/generate.ts'
import { type JsonSchema, PUBLIC_SCHEMAS, SCHEMA_NAMES } from '../scripts/schemas.ts'
import { ERRORS } from '../src/index.ts'
import * as subjects from '../src/subjects.ts'

type Node = Record<string, unknown>
const document = asyncApi() as {
  channels: Record<string, { address: string | null; messages: Node; parameters?: Node }>
  operations: Record<
    string,
    {
      action: string
      channel: Ref
      messages: Ref[]
      reply?: { channel: Ref; messages: Ref[] }
    }
  >
  components: { schemas: Node; messages: Node; parameters: Node }
}
type Ref = { $ref: string }

/** Every `$ref` anywhere inside. */
function refsIn(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => (key === '$ref' ? [value as string] : refsIn(value)))
}

/** What a `#/…` pointer points to, or undefined. */
const resolve = (pointer: string): unknown =>
  pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((node, key) => (node as Node | undefined)?.[key], document)

test('the generated files are up to date: run `npm run generate`', () => {
  const files = generatedFiles()
  for (const [path, text] of files) expect(readFileSync(join(DOCS, path), 'utf8'), path).toBe(text)
  const there = readdirSync(join(DOCS, 'api'), { recursive: true, withFileTypes: true })
  const paths = there.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  expect(paths.sort()).toEqual(
    [...files.keys()]
      .filter((path) => path.startsWith('api/'))
      .map((path) => join(DOCS, path))
      .sort(),
  )
})

test('every reference of the AsyncAPI document leads somewhere', () => {
  const refs = refsIn(document)
  expect(refs.length).toBeGreaterThan(100)
  for (const ref of refs) {
    expect(ref).toMatch(/^#\//)
    expect(resolve(ref), ref).toBeDefined()
  }
})

test('every reference between schema files leads to one of them', () => {
  const files = generatedFiles()
  for (const [path, text] of files)
    if (path.startsWith('api/schemas/'))
      for (const ref of refsIn(JSON.parse(text))) expect(files.has(`api/schemas/${ref}`), ref).toBe(true)
})

test('every subject has a channel', () => {
  const addresses = Object.values(document.channels).map(({ address }) => address)
  for (const subject of Object.values(subjects.SUBJECTS)) expect(addresses).toContain(subject)
  // Results of branches are no part of the contract: whoever submitted the parent finds them in its output.
  // What runs in a pool is asked of those that take arrays, by whoever takes over from another executor.
  const internal = ['branchResultSubject', 'runningSubject']
  const makers = Object.entries(subjects).filter(
    (entry): entry is [string, (...parts: string[]) => string] =>
      typeof entry[1] === 'function' && !internal.includes(entry[0]),
  )
  expect(makers.map(([name]) => name).sort()).toEqual([
    'cancelSubject',
    'completedSubject',
    'deadSubject',
    'healthSubject',
    'heartbeatSubject',
    'progressSubject',
    'scaleSubject',
    'submittedSubject',
    'workSubject',
  ])
  for (const [name, make] of makers) {
    const ofTask = name === 'completedSubject' || name === 'deadSubject'
    const only = name === 'scaleSubject' ? '{scaler}' : ofTask ? '{id}' : '{name}'
    const parts = name === 'submittedSubject' ? ['{lane}', '{id}'] : [only]
    expect(addresses, name).toContain(make(...parts))
  }
})

test('every channel is used, and describes the parameters in its address and no others', () => {
  const used = Object.values(document.operations).flatMap(({ channel, reply }) => [channel, reply?.channel])
  for (const [id, { address, parameters }] of Object.entries(document.channels)) {
    expect(used.map((ref) => ref?.$ref)).toContain(`#/channels/${id}`)
    const inAddress = [...(address ?? '').matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    expect(Object.keys(parameters ?? {})).toEqual(inAddress)
  }
})

test('operations have messages of their channels only', () => {
  for (const { channel, messages, reply } of Object.values(document.operations)) {
    for (const message of messages) expect(message.$ref.startsWith(`${channel.$ref}/messages/`)).toBe(true)
    for (const message of reply?.messages ?? [])
      expect(message.$ref.startsWith(`${reply?.channel.$ref}/messages/`)).toBe(true)
  }
})

test('every request can be refused, and every schema is used', () => {
  const services = Object.values(subjects.SUBJECTS).filter((subject) => /^(health|executor)\./.test(subject))
  for (const subject of [...services, 'task.status', 'pool.register']) {
    const id = Object.keys(document.channels).find((key) => document.channels[key]?.address === subject)!
    expect(document.operations[id]?.reply?.messages).toContainEqual({
      $ref: '#/channels/reply/messages/Refusal',
    })
  }
  const refs = refsIn(document)
  for (const name of SCHEMA_NAMES) expect(refs, name).toContainEqual(expect.stringContaining(`/${name}`))
})

test.each(SCHEMA_NAMES)('the example of %s matches its schema, which keeps unknown fields', (name) => {
  const example = EXAMPLES[name]
  const parsed = PUBLIC_SCHEMAS[name].schema.safeParse(example)
  expect(parsed.error?.issues).toBeUndefined()
  expect(parsed.data).toMatchObject(example as object)
  const jsonSchema = document.components.schemas[name] as JsonSchema
  const open = { ...(example as object), not_known: { yet: [1] } }
  if (jsonSchema['type'] !== 'object' || name === 'HealthCheckReply') return
  expect(jsonSchema['additionalProperties']).toEqual({})
  expect(PUBLIC_SCHEMAS[name].schema.parse(open)).toMatchObject({ not_known: { yet: [1] } })
})

test('docs/errors.md has every code of the list and no others', () => {
  const page = readFileSync(join(DOCS, 'errors.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (.+) \|$/gm)].map(([, ...row]) => row)
  expect(rows).toEqual(
    Object.entries(ERRORS).map(([code, { status, meaning }]) => [code, `${status}`, meaning]),
  )
})
