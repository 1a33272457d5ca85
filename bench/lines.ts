// `npm run bench -- lines [--counts 100000,1000000]`: so many tasks as lines to the gateway, which is a process of its own. Each
// count has a system and a gateway of its own. What counts is the gateway's memory.
import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { startEmbedded } from '@poolmesh/up'
import { definePool } from '@poolmesh/worker'
import { startGatewayProcess } from './http/gateway-process.ts'

const { values } = parseArgs({ options: { counts: { type: 'string', default: '100000,1000000' } } })
/** Of a line; as in the other benchmarks, the payload has 200 bytes. */
const LINE = `${JSON.stringify({
  task_type: 'bench',
  payload: { text: 'x'.repeat(188) },
  required_capabilities: ['bench'],
})}\n`
/** Lines in one piece, as a file is read. */
const PIECE = 200

for (const count of values.counts.split(',').map(Number)) {
  await using system = await startEmbedded()
  const pool = definePool({ name: 'bench', capabilities: ['bench'], maxWorkers: 100, handler: () => ({}) })
  await using _pool = await pool.start({ nc: system.nc })
  await using gateway = await startGatewayProcess(system.url)
  const idle = gateway.memoryMiB('VmRSS')
  const pieces = function* (): Generator<string> {
    for (let left = count; left > 0; left -= PIECE) yield LINE.repeat(Math.min(PIECE, left))
  }
  const began = performance.now()
  const posting = request({
    port: gateway.port,
    path: '/api/v1/tasks:ndjson',
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
  })
  Readable.from(pieces()).pipe(posting)
  const [response] = await once(posting, 'response')
  const stored = new Set<string>()
  let refused = 0
  for await (const line of createInterface({ input: response })) {
    const { task_id } = JSON.parse(line) as { task_id?: string }
    if (task_id === undefined) refused++
    else stored.add(task_id)
  }
  const seconds = (performance.now() - began) / 1_000
  const cpu = gateway.cpuSeconds()
  process.stdout.write(
    `${count} lines in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)} a second): ${stored.size} stored, ${refused} refused; ` +
      `gateway ${gateway.memoryMiB('VmHWM')} MiB at most, ${idle} MiB before, ${((cpu * 1e6) / count).toFixed(0)} µs of a core a line\n`,
  )
  if (stored.size !== count) process.exitCode = 1
}
