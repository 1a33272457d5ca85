// What other packages serve at the gateway's address: pages, and routes of their own. They come under the same guard.
import type { FastifyInstance } from 'fastify'
import type { Bodies } from './http/bodies.ts'

interface PageAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer | string
}

export interface Plug {
  /** Adds routes, before the server listens. Bodies are read by whoever wants them, with {@link Bodies}. */
  mount?(app: FastifyInstance, bodies: Bodies): void | Promise<void>
  /**
   * Asked for a GET of what no route serves: the page, its files, and its deep links.
   * @returns null where the path is none of its own
   */
  page?(path: string, acceptEncoding: string): PageAnswer | null | Promise<PageAnswer | null>
}
