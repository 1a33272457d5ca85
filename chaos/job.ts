// What a Job of the chaos run does: the same as a run in any other pool, in a process of its own.
import { writeFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { History } from './history/writer.ts'
import { work } from './roles/work.ts'

const control = new AbortController()
process.once('SIGTERM', () => control.abort())
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled'))
const { env } = process
const pool = env['POOLMESH_POOL'] ?? ''
const history = new History(env['CHAOS_HISTORY'] ?? '', Number(env['CHAOS_BASE']))
const task = JSON.parse(env['POOLMESH_TASK'] ?? '') as { task_id: string; payload: Record<string, unknown> }
const how = await work(history, pool, task, Number(env['POOLMESH_ATTEMPT']), control.signal)
if (how === 'done') writeFileSync(env['POOLMESH_RESULT_FILE'] ?? '', JSON.stringify({ by: pool }))
else {
  process.stderr.write(how === 'failed' ? 'made to fail\n' : 'told to stop\n')
  process.exitCode = 1
}
