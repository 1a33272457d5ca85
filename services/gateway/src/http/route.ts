// One route as data: what it takes, checked by zod, and what it answers; served by Fastify and told in OpenAPI from here.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type * as z from 'zod'

interface Answer {
  description: string
  schema?: z.ZodType
  /** Default `application/json`. */
  type?: string
}

interface Asked<Params, Query, Body> {
  params: Params
  query: Query
  body: Body
  request: FastifyRequest
  reply: FastifyReply
}

type Out<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

export interface RouteSpec<
  Params extends z.ZodType | undefined = z.ZodType | undefined,
  Query extends z.ZodType | undefined = z.ZodType | undefined,
  Body extends z.ZodType | undefined = z.ZodType | undefined,
> {
  method: 'GET' | 'POST' | 'DELETE'
  /** As OpenAPI writes it: `/api/v1/tasks/{id}`. */
  path: string
  /** The name of the operation. */
  id: string
  tag: string
  summary: string
  params?: Params
  query?: Query
  body?: Body
  /** Headers of the request that mean something here. */
  headers?: Record<string, string>
  /** False: the handler checks the body by itself, or reads it; it is told in OpenAPI all the same. */
  checksBody?: false
  /** Default `application/json`. */
  bodyType?: string
  /** Bytes; default 1 MiB. */
  bodyLimit?: number
  answers: Record<number, Answer>
  /** Its value is the reply, with the first of `answers` as status unless it sets another. */
  handle(asked: Asked<Out<Params>, Out<Query>, Out<Body>>): unknown
}

export type Route = Omit<RouteSpec, 'handle'> & { handle(asked: Asked<unknown, unknown, unknown>): unknown }

/** Keeps the types between the schemas and the handler. */
export const route = <
  Params extends z.ZodType | undefined,
  Query extends z.ZodType | undefined,
  Body extends z.ZodType | undefined,
>(
  spec: RouteSpec<Params, Query, Body>,
): Route => spec as unknown as Route
