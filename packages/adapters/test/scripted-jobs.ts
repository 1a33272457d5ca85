// Pools of Jobs that do what their tasks' scripts say.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeKubernetes, type FakeKubernetesOptions } from '@poolmesh/testkit'
import { poolDescriptorSchema } from '@poolmesh/types'
import type { ScriptedPool } from '../conformance/index.ts'

/** A process of its own for each task: it is released by a file. */
const COMMAND = `
const fs = require('fs')
const { task_id, payload } = JSON.parse(process.env.POOLMESH_TASK)
const say = (text) => fs.writeFileSync(process.env.POOLMESH_RESULT_FILE, text)
const end = () => say(JSON.stringify(payload.output))
if (payload.script === 'fail') {
  console.error(payload.error)
  process.exitCode = 1
} else if (payload.script === 'nonsense') say('splendid')
else if (payload.script === 'complete') end()
else {
  const timer = setInterval(() => {
    if (!fs.existsSync(process.env.GATES + '/' + task_id)) return
    clearInterval(timer)
    end()
  }, 10)
}`

/** With the kubeconfig that leads to it. */
export async function jobsPool(): Promise<ScriptedPool & { kubeconfig: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'poolmesh-jobs-'))
  const options: FakeKubernetesOptions = {}
  const cluster = await FakeKubernetes.start(options)
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, cluster.kubeconfig)
  const descriptor = poolDescriptorSchema.parse({
    name: 'scripted-jobs',
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    max_workers: 4,
    metadata: {
      kubernetes: {
        namespace: 'work',
        image: 'scripted:1',
        command: [process.execPath, '-e', COMMAND],
        env: { GATES: folder },
        grace_seconds: 1,
      },
    },
  })
  const isOf = (taskId: string, name: string): boolean =>
    name.startsWith(`pm-${taskId}-`) && /^[0-9a-f]{16}$/.test(name.slice(taskId.length + 4))
  return {
    descriptor,
    kubeconfig,
    begun: (taskId) => cluster.started.filter((name) => isOf(taskId, name)).length,
    stopped: (taskId) =>
      cluster.requests.some(
        (request) => request.startsWith('DELETE ') && isOf(taskId, request.split('/').at(-1) ?? ''),
      ),
    release: (taskId) => writeFileSync(join(folder, taskId), ''),
    takeNoMore: () => {
      options.quota = cluster.jobs.length
    },
    kill: () => cluster[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
