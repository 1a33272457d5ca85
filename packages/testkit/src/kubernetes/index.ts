// A Kubernetes API server over HTTP, of that what Jobs need, as its documents describe it. A Job's command really runs, as
// a process of this machine, so that output, failure, kill and deadline are real. Objects live in memory.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CERTIFICATE, KEY } from './certificate.ts'
import { Controller, type PodFault } from './controller.ts'
import { ApiStatus, type Job, type Pod, type Stored } from './objects.ts'
import { type Change, Store } from './store.ts'

export type { PodFault } from './controller.ts'
export { expand } from './process.ts'

const MAX_BODY_BYTES = 1_536 * 1024
const KINDS = { jobs: 'Job', pods: 'Pod', configmaps: 'ConfigMap' } as const
const PATH =
  /^\/(?:apis\/batch\/v1|api\/v1)\/namespaces\/([a-z0-9-]+)\/(jobs|pods|configmaps)(?:\/([a-z0-9.-]+))?(\/log)?$/

/** What a request gets instead of an answer. */
export type ApiFault =
  | { status: number; reason: string; message: string; headers?: Record<string, string> }
  /** The connection is cut, before or after the request was done. */
  | 'reset'
  | 'reset_after'

export interface FakeKubernetesOptions {
  /** HTTPS, with a certificate that only the kubeconfig makes trusted. */
  tls?: boolean
  /** What a request has to bring as a bearer token. */
  token?: string
  /** Jobs that a namespace may have at most: one more is refused as a quota does it. */
  quota?: number
  /** Asked for each request. */
  fault?: (request: { method: string; path: string; watch: boolean }) => ApiFault | null
  /** Asked for each Job. */
  podFault?: (job: Job) => PodFault | null
}

export class FakeKubernetes implements AsyncDisposable {
  /** `<method> <path>` of each request. */
  readonly requests: string[] = []
  /** That were opened. */
  connections = 0
  readonly #options: FakeKubernetesOptions
  readonly #store = new Store()
  readonly #controller: Controller
  readonly #server: Server
  readonly #watches = new Set<ServerResponse>()
  /** Watches that were begun. */
  watched = 0

  private constructor(options: FakeKubernetesOptions) {
    this.#options = options
    this.#controller = new Controller(this.#store, (job) => options.podFault?.(job) ?? null)
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response)
    this.#server = options.tls ? createTlsServer({ cert: CERTIFICATE, key: KEY }, serve) : createServer(serve)
    this.#server.on(options.tls ? 'secureConnection' : 'connection', () => {
      this.connections++
    })
  }

  static async start(options: FakeKubernetesOptions = {}): Promise<FakeKubernetes> {
    const server = new FakeKubernetes(options)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get endpoint(): string {
    return `http${this.#options.tls ? 's' : ''}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** A kubeconfig file for it. */
  get kubeconfig(): string {
    const { token, tls } = this.#options
    const trust = tls ? { 'certificate-authority-data': Buffer.from(CERTIFICATE).toString('base64') } : {}
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      clusters: [{ name: 'fake', cluster: { server: this.endpoint, ...trust } }],
      users: [{ name: 'tester', user: token === undefined ? {} : { token } }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'tester' } }],
    })
  }

  get jobs(): Job[] {
    return this.#store.all<Job>('Job')
  }

  get pods(): Pod[] {
    return this.#store.all<Pod>('Pod')
  }

  /** Names of the Jobs whose command was started, once for each start. */
  get started(): readonly string[] {
    return this.#controller.started
  }

  /** Commands that run now. */
  get running(): number {
    return this.#controller.processes.size
  }

  /** Ends all watches, as a server does from time to time. */
  endWatches(): void {
    for (const response of this.#watches) response.end()
  }

  /** The history is lost: watches end with 410, and begin again with a list only. */
  compact(): void {
    this.#store.compact()
    const expired = new ApiStatus(410, 'Expired', 'The resourceVersion for the provided watch is too old.')
    for (const response of this.#watches)
      response.end(`${JSON.stringify({ type: 'ERROR', object: expired.body })}\n`)
  }

  /** Tells watches how far they are, as a server does once a minute. */
  bookmark(): void {
    for (const response of this.#watches)
      response.write(
        `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#store.version) } } })}\n`,
      )
  }

  /** Somebody else deletes a Job. */
  deleteJob(job: Job): void {
    this.#controller.deleteJob(job, 'Background')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const watch = searchParams.get('watch') === 'true'
    this.requests.push(`${method} ${pathname}${watch ? ' (watch)' : ''}`)
    const fault = this.#options.fault?.({ method, path: pathname, watch }) ?? null
    try {
      const body = await readBody(request)
      if (fault === 'reset') return void response.socket?.resetAndDestroy()
      if (typeof fault === 'object' && fault !== null)
        throw new ApiStatus(fault.status, fault.reason, fault.message, fault.headers)
      const { token } = this.#options
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
        throw new ApiStatus(401, 'Unauthorized', 'Unauthorized')
      if (watch) return this.#watch(pathname, searchParams, response)
      const said = this.#answer(method, pathname, searchParams, body)
      if (fault === 'reset_after') return void response.socket?.resetAndDestroy()
      const isText = typeof said.body === 'string'
      response
        .writeHead(said.status, { 'content-type': isText ? 'text/plain' : 'application/json' })
        .end(isText ? said.body : JSON.stringify(said.body))
    } catch (error) {
      const status =
        error instanceof ApiStatus ? error : new ApiStatus(500, 'InternalError', (error as Error).message)
      response
        .writeHead(status.code, { 'content-type': 'application/json', ...status.headers })
        .end(JSON.stringify(status.body))
    }
  }

  #answer(
    method: string,
    path: string,
    query: URLSearchParams,
    body: string,
  ): { status: number; body: unknown } {
    if (method === 'GET' && (path === '/readyz' || path === '/livez' || path === '/healthz'))
      return { status: 200, body: 'ok' }
    const quotas = /^\/api\/v1\/namespaces\/([a-z0-9-]+)\/resourcequotas$/.exec(path)?.[1]
    if (method === 'GET' && quotas !== undefined) return { status: 200, body: this.#quotas(quotas) }
    const [, namespace, plural, name, log] = PATH.exec(path) ?? []
    if (namespace === undefined || plural === undefined)
      throw new ApiStatus(404, 'NotFound', 'the server could not find the requested resource')
    const kind = KINDS[plural as keyof typeof KINDS]
    if (method === 'POST' && name === undefined) return this.#create(kind, namespace, JSON.parse(body))
    if (method === 'GET' && name === undefined)
      return { status: 200, body: this.#list(kind, namespace, query) }
    const found = this.#store.find<Stored>(kind, namespace, name ?? '')
    if (!found) throw new ApiStatus(404, 'NotFound', `${plural} "${name}" not found`)
    if (method === 'GET' && log && found.kind === 'Pod') return { status: 200, body: this.#log(found, query) }
    if (method === 'GET') return { status: 200, body: found }
    if (method === 'PATCH') return { status: 200, body: this.#patch(found, JSON.parse(body)) }
    if (method === 'DELETE' && found.kind === 'Job') return this.#delete(found, query, body)
    throw new ApiStatus(405, 'MethodNotAllowed', 'the server does not allow this method')
  }

  #jobsIn(namespace: string): number {
    return this.jobs.filter(({ metadata }) => metadata.namespace === namespace).length
  }

  #quotas(namespace: string): unknown {
    const { quota } = this.#options
    const used = { 'count/jobs.batch': String(this.#jobsIn(namespace)) }
    const items =
      quota === undefined
        ? []
        : [
            {
              metadata: { name: 'jobs', namespace },
              status: { hard: { 'count/jobs.batch': String(quota) }, used },
            },
          ]
    const metadata = { resourceVersion: String(this.#store.version) }
    return { kind: 'ResourceQuotaList', apiVersion: 'v1', metadata, items }
  }

  #create(kind: Stored['kind'], namespace: string, object: Stored): { status: number; body: Stored } {
    const { quota } = this.#options
    const inUse = this.#jobsIn(namespace)
    if (kind === 'Job' && quota !== undefined && inUse >= quota)
      throw new ApiStatus(
        403,
        'Forbidden',
        `jobs.batch "${object.metadata.name}" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=${inUse}, limited: count/jobs.batch=${quota}`,
      )
    const added = this.#store.add<Stored>({
      ...object,
      kind,
      metadata: { ...object.metadata, namespace },
      ...(kind === 'Job' ? { status: {} } : {}),
    } as Stored)
    const body = structuredClone(added)
    // As a controller, it acts on what was stored.
    if (added.kind === 'Job') setImmediate(() => this.#controller.jobCreated(added))
    return { status: 201, body }
  }

  #list(kind: Stored['kind'], namespace: string, query: URLSearchParams): unknown {
    const all = this.#store
      .all<Stored>(kind)
      .filter((object) => object.metadata.namespace === namespace && selects(query, object))
    const limit = Number(query.get('limit') ?? 0) || all.length
    const from = Number(query.get('continue') ?? 0)
    const next = from + limit < all.length ? { continue: String(from + limit) } : {}
    return {
      kind: `${kind}List`,
      apiVersion: kind === 'Job' ? 'batch/v1' : 'v1',
      metadata: { resourceVersion: String(this.#store.version), ...next },
      items: all.slice(from, from + limit),
    }
  }

  #log(pod: Pod, query: URLSearchParams): string {
    if (pod.status.phase === 'Pending')
      throw new ApiStatus(400, 'BadRequest', 'container is waiting to start: ContainerCreating')
    const lines = this.#controller.logOf(pod).split(/(?<=\n)/)
    const tail = query.get('tailLines') === null ? lines : lines.slice(-Number(query.get('tailLines')))
    const limit = Number(query.get('limitBytes') ?? Number.POSITIVE_INFINITY)
    return Buffer.from(tail.join('')).subarray(0, limit).toString()
  }

  /** A merge patch of the metadata. */
  #patch(object: Stored, { metadata = {} }: { metadata?: Partial<Stored['metadata']> }): Stored {
    const { resourceVersion, labels, annotations } = metadata
    if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion)
      throw new ApiStatus(409, 'Conflict', 'the object has been modified')
    Object.assign(object.metadata, {
      labels: { ...object.metadata.labels, ...labels },
      annotations: { ...object.metadata.annotations, ...annotations },
    })
    this.#store.touch(object)
    return object
  }

  #delete(job: Job, query: URLSearchParams, body: string): { status: number; body: unknown } {
    const options = body === '' ? {} : JSON.parse(body)
    const uid = options.preconditions?.uid
    if (uid !== undefined && uid !== job.metadata.uid)
      throw new ApiStatus(409, 'Conflict', 'the UID in the precondition does not match')
    this.#controller.deleteJob(job, query.get('propagationPolicy') ?? options.propagationPolicy ?? 'Orphan')
    return { status: 200, body: { kind: 'Status', apiVersion: 'v1', status: 'Success' } }
  }

  #watch(path: string, query: URLSearchParams, response: ServerResponse): void {
    const [, namespace, plural] = PATH.exec(path) ?? []
    const kind = KINDS[plural as keyof typeof KINDS]
    const before = this.#store.since(Number(query.get('resourceVersion') ?? 0))
    this.watched++
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const tell = ({ type, object }: Change): void => {
      if (
        !response.writableEnded &&
        object.kind === kind &&
        object.metadata.namespace === namespace &&
        selects(query, object)
      )
        response.write(`${JSON.stringify({ type, object })}\n`)
    }
    for (const change of before) tell(change)
    this.#watches.add(response)
    const stop = this.#store.listen(tell)
    response.once('close', () => {
      stop()
      this.#watches.delete(response)
    })
  }

  /** As a cluster that is gone: nobody listens, and nothing runs any more. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await this.#controller.close()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill()
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > MAX_BODY_BYTES)
      throw new ApiStatus(413, 'RequestEntityTooLarge', 'the request is larger than is stored')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

/** Labels that are equal, and the phase of pods. */
function selects(query: URLSearchParams, object: Stored): boolean {
  const wanted = (query.get('labelSelector') ?? '').split(',').filter(Boolean)
  const phase = /^status\.phase=(\w+)$/.exec(query.get('fieldSelector') ?? '')?.[1]
  if (phase !== undefined && !(object.kind === 'Pod' && object.status.phase === phase)) return false
  return wanted.every((pair) => {
    const [label = '', value = ''] = pair.split('=')
    return object.metadata.labels?.[label] === value
  })
}
