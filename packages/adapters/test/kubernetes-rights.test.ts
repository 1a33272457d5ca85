// infra/kubernetes/rbac.yaml has every right that is used, and no other.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@poolmesh/bus'
import type { Run } from '@poolmesh/core'
import { FakeKubernetes, until } from '@poolmesh/testkit'
import { poolDescriptorSchema } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { KubernetesAdapter, KubernetesHealth } from '../src/index.ts'

const MANIFEST = join(import.meta.dirname, '..', '..', '..', 'infra', 'kubernetes', 'rbac.yaml')

/** `<verb> <resource>` */
function granted(): Set<string> {
  const documents = parseAllDocuments(readFileSync(MANIFEST, 'utf8')).map((document) => document.toJS())
  const role = documents.find(({ kind }) => kind === 'Role') as {
    rules: { resources: string[]; verbs: string[] }[]
  }
  return new Set(
    role.rules.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    ),
  )
}

const VERBS: Record<string, string> = { POST: 'create', PATCH: 'patch', DELETE: 'delete' }

function used(request: string): string {
  const [, method = '', resource = '', name, log, watch] =
    /^(\w+) \S+?\/namespaces\/[^/]+\/(\w+)(\/[^/ ]+)?(\/log)?( \(watch\))?$/.exec(request) ?? []
  const read = watch ? 'watch' : name === undefined ? 'list' : 'get'
  return `${VERBS[method] ?? read} ${resource}${log ? '/log' : ''}`
}

test('the manifest grants what is used, and nothing else', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'poolmesh-rights-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const server = stack.use(await FakeKubernetes.start())
  const kubeconfig = join(folder, 'config')
  writeFileSync(kubeconfig, server.kubeconfig)
  const gate = join(folder, 'gate')
  const command = `const wait = () => require('fs').existsSync('${gate}')
    ? console.log('poolmesh-result: {"done":true}')
    : setTimeout(wait, 10)
    wait()`
  const descriptor = poolDescriptorSchema.parse({
    name: 'p',
    pool_type: 'kubernetes',
    endpoint: server.endpoint,
    metadata: {
      kubernetes: {
        namespace: 'work',
        image: 'x',
        command: [process.execPath, '-e', command],
        grace_seconds: 1,
      },
    },
  })
  const run = (task_id: string, attempt: number): Run =>
    ({
      entry: { task: { task_id, task_type: 'test', payload: { text: 'x'.repeat(200_000) }, timeout: 60 } },
      pool: { name: 'p', descriptor },
      attempt,
    }) as unknown as Run
  const told: unknown[] = []
  const adapting = (): KubernetesAdapter =>
    stack.use(
      new KubernetesAdapter({
        runs: { answer: (_pool, _id, _attempt, answer) => void told.push(answer), gone() {}, lost() {} },
        claims: { get: async () => null },
        kubeconfig,
        log: silentLogger(),
      }),
    )
  const before = adapting()
  before.add(run('t-1', 1))
  before.add(run('t-2', 1))
  await until(() => server.running === 2)
  before.standBy()
  const after = adapting()
  await after.running([descriptor], 5_000)
  after.add(run('t-1', 2))
  after.cancel('p', 't-2')
  await until(() => told.length === 1)
  writeFileSync(gate, '')
  await until(() => told.length === 2)
  const health = stack.use(new KubernetesHealth(kubeconfig))
  await health.check({ endpoint: server.endpoint, metadata: descriptor.metadata }, 5_000)

  expect(new Set(server.requests.map(used))).toEqual(granted())
})
