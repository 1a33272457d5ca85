// The gateway in a process of its own, and what it used.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'

export interface GatewayProcess extends AsyncDisposable {
  port: number
  /** Resident, now or at most so far. */
  memoryMiB(what: 'VmRSS' | 'VmHWM'): number
  /** User and system, in seconds; the kernel counts in hundredths. */
  cpuSeconds(): number
}

/** @param execArgv for Node, such as `--cpu-prof` */
export async function startGatewayProcess(url: string, execArgv: string[] = []): Promise<GatewayProcess> {
  const port = await freePort()
  const file = join(import.meta.dirname, '..', '..', 'services', 'up', 'src', 'service.ts')
  const gateway = spawn(process.execPath, [...execArgv, file, 'gateway'], {
    env: {
      ...process.env,
      NATS_URL: url,
      POOLMESH_HTTP_PORT: String(port),
      POOLMESH_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = new Promise<void>((resolve) => gateway.once('close', () => resolve()))
  const failed = ended.then(() => Promise.reject(new Error('the gateway ended')))
  failed.catch(() => {})
  await Promise.race([new Promise((resolve) => gateway.once('message', resolve)), failed])
  return {
    port,
    memoryMiB(what) {
      const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8')
      const [, kib] = new RegExp(`${what}:\\s+(\\d+)`).exec(status) ?? []
      return Math.round(Number(kib) / 1024)
    },
    cpuSeconds() {
      const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    async [Symbol.asyncDispose]() {
      gateway.kill('SIGTERM')
      await ended
    },
  }
}
