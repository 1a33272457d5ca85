// Which clusters we have credentials for, and the clients of them. The Kubernetes library is large (half a second and some
// 65 MB), so it is loaded when a pool needs it; which credentials there are is found out without it.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { BatchV1Api, CoreV1Api, KubeConfig, RequestContext, Watch } from '@kubernetes/client-node'
import { isJsonObject } from '@poolmesh/types'
import { Agent } from 'undici'
import { parse } from 'yaml'

const CALL_MS = 15_000
/** Certificates and tokens of connections are read anew. */
const CONNECTIONS_MS = 5 * 60_000
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const IN_CLUSTER = /^https:\/\/kubernetes\.default(\.svc(\.[\w.-]+)?)?$/

export interface ClusterClient {
  batch: BatchV1Api
  core: CoreV1Api
  watch: Watch
}

interface Context {
  name: string
  server: string
}

type Source =
  | { kind: 'file'; path: string; contexts: Context[]; problem: string | null }
  | { kind: 'cluster'; server: string }
  | { kind: 'none' }

/** Origin and path, without a slash at the end. */
function normal(url: string): string | null {
  const parsed = URL.parse(url)
  return parsed && parsed.origin + parsed.pathname.replace(/\/+$/, '')
}

/**
 * Credentials go by address: only an endpoint that is a cluster of the kubeconfig, or the cluster that we run in, gets any.
 * Whoever registers a pool could else have them sent to any address.
 */
export class ClusterAccess implements Disposable {
  readonly #kubeconfig: string | undefined
  readonly #closing = new AbortController()
  #source: Source | null = null
  /** By endpoint. */
  readonly #clients = new Map<string, Promise<ClusterClient>>()

  /** @param kubeconfig a file; left out: `KUBECONFIG`, `~/.kube/config`, or the account of the pod that we run in */
  constructor(kubeconfig: string | undefined) {
    this.#kubeconfig = kubeconfig
  }

  /** Why there are no credentials for an endpoint; null: there are. */
  obstacle(endpoint: string): string | null {
    if (this.#contextOf(endpoint) !== null) return null
    const source = this.#found()
    // Looked for anew the next time: a file may have come meanwhile.
    this.#source = null
    return `no Kubernetes credentials: ${problemOf(source)}`
  }

  #contextOf(endpoint: string): string | null {
    const source = this.#found()
    const wanted = normal(endpoint)
    if (wanted === null) return null
    if (source.kind === 'file') return source.contexts.find(({ server }) => server === wanted)?.name ?? null
    if (source.kind === 'cluster' && (source.server === wanted || IN_CLUSTER.test(wanted))) return ''
    return null
  }

  #found(): Source {
    this.#source ??= this.#look()
    return this.#source
  }

  #look(): Source {
    const path = this.#kubeconfig ?? process.env['KUBECONFIG']?.split(':').find(Boolean)
    if (path !== undefined) return readContexts(path)
    const home = join(homedir(), '.kube', 'config')
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env
    if (host && existsSync(TOKEN_FILE)) {
      const server = normal(`https://${host.includes(':') ? `[${host}]` : host}:${port}`)
      if (server !== null) return { kind: 'cluster', server }
    }
    return existsSync(home) ? readContexts(home) : { kind: 'none' }
  }

  /** @throws Error where the library or the credentials cannot be loaded */
  client(endpoint: string): Promise<ClusterClient> {
    const key = normal(endpoint) ?? endpoint
    const known = this.#clients.get(key)
    if (known) return known
    const client = this.#open(endpoint)
    this.#clients.set(key, client)
    client.catch(() => this.#clients.delete(key))
    return client
  }

  async #open(endpoint: string): Promise<ClusterClient> {
    const context = this.#contextOf(endpoint)
    const source = this.#found()
    if (context === null) throw new Error(this.obstacle(endpoint) ?? 'no credentials')
    const kubernetes = await import('@kubernetes/client-node')
    const closing = this.#closing.signal
    type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>
    let kept: { dispatcher: Dispatcher; until: number } | null = null

    // The library opens new connections for each request to a server with TLS: ours are kept, and closed in the end.
    class Config extends kubernetes.KubeConfig {
      override async applySecurityAuthentication(request: RequestContext): Promise<void> {
        await super.applySecurityAuthentication(request)
        request.setSignal(AbortSignal.timeout(CALL_MS))
        const fresh = request.getDispatcher() ?? new Agent()
        if (kept === null || kept.until < performance.now()) {
          // Requests that are under way end first.
          void kept?.dispatcher.close().catch(() => {})
          kept = { dispatcher: fresh, until: performance.now() + CONNECTIONS_MS }
        }
        request.setDispatcher(kept.dispatcher)
      }
    }

    const config: KubeConfig = new Config()
    if (source.kind === 'file') {
      config.loadFromFile(source.path)
      config.setCurrentContext(context)
    } else config.loadFromCluster()
    // Without TLS there is none to verify; the library refuses such a server else.
    config.clusters = config.clusters.map((cluster) =>
      cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
    )
    closing.addEventListener('abort', () => void kept?.dispatcher.destroy().catch(() => {}), { once: true })
    return {
      batch: config.makeApiClient(kubernetes.BatchV1Api),
      core: config.makeApiClient(kubernetes.CoreV1Api),
      watch: new kubernetes.Watch(config),
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
    this.#clients.clear()
  }
}

function problemOf(source: Source): string {
  if (source.kind === 'none') return 'there is no kubeconfig, and we do not run in a cluster'
  if (source.kind === 'cluster') return 'the endpoint is not that of the cluster that we run in'
  return source.problem === null
    ? 'no context of the kubeconfig has the pool’s endpoint as its server'
    : `the kubeconfig cannot be read (${source.problem})`
}

/** The current context first: it counts where several have the same server. */
function readContexts(path: string): Source {
  try {
    const file: unknown = parse(readFileSync(path, 'utf8'))
    if (!isJsonObject(file)) return { kind: 'file', path, contexts: [], problem: 'it is no kubeconfig' }
    const servers = new Map<unknown, string | null>()
    for (const { name, part } of named(file['clusters'], 'cluster'))
      servers.set(name, normal(String(part['server'])))
    const contexts = named(file['contexts'], 'context').flatMap(({ name, part }) => {
      const server = servers.get(part['cluster'])
      return server ? [{ name, server }] : []
    })
    const current = file['current-context']
    contexts.sort((a, b) => Number(b.name === current) - Number(a.name === current))
    return { kind: 'file', path, contexts, problem: null }
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException
    return { kind: 'file', path, contexts: [], problem: code ?? name }
  }
}

/** `[{name, <key>: {…}}]` */
function named(list: unknown, key: string): { name: string; part: Record<string, unknown> }[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((item: unknown) => {
    const part = isJsonObject(item) ? item[key] : undefined
    return isJsonObject(item) && typeof item['name'] === 'string' && isJsonObject(part)
      ? [{ name: item['name'], part }]
      : []
  })
}
