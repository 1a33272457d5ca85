// A real Prometheus, with Debian's package.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { ROOT } from '../documents/markdown.ts'
import { missing } from '../outside/debian.ts'

export const RULES = join(ROOT, 'infra', 'prometheus', 'alerts.yml')

/** @returns why there is none, which is printed too; null: there is one */
export const withoutPrometheus = (): string | null =>
  missing('metrics', ['promtool', '--version'], ['prometheus'])

export const alertsOf = (rules: string): string[] =>
  [...rules.matchAll(/^\s*- alert: (\w+)$/gm)].map(([, name]) => name!)

export interface Alert {
  state: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

interface Sample {
  metric: Record<string, string>
  value: [at: number, value: string]
}

export interface Prometheus extends AsyncDisposable {
  /** @throws Error with Prometheus's own words where it refuses the query */
  query(expression: string): Promise<Sample[]>
  alerts(): Promise<Alert[]>
}

/**
 * Scrapes the targets every two seconds, and waits as long for an answer: machines may be busy.
 * @param targets `host:port` of each
 * @param rules what it evaluates, every second
 */
export async function startPrometheus(targets: string[], rules: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-prometheus-'))
  const port = await freePort()
  await writeFile(join(folder, 'rules.yml'), rules)
  const config = {
    global: { scrape_interval: '2s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'poolmesh', static_configs: [{ targets }] }],
  }
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const child: ChildProcess = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    const answer = (await response.json()) as { status: string; data: T; error?: string }
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
    return answer.data
  }
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended: ${said}`)
    return await fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  }, 'Prometheus')
  return {
    query: async (expression) =>
      (await ask<{ result: Sample[] }>(`/api/v1/query?query=${encodeURIComponent(expression)}`)).result,
    alerts: async () => (await ask<{ alerts: Alert[] }>('/api/v1/alerts')).alerts,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
