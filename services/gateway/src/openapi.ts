// OpenAPI 3.1 from the routes and their zod schemas: what is served and what is told are one table.

import { SERVICE_VERSION } from '@poolmesh/bus'
import { ERRORS } from '@poolmesh/types'
import * as z from 'zod'
import { PROBLEM_TYPE } from './http/problem.ts'
import { type Route, route } from './http/route.ts'
import { problemSchema } from './routes/shapes.ts'

type Json = Record<string, unknown>

function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {}
  for (const one of routes) {
    paths[one.path] ??= {}
    paths[one.path]![one.method.toLowerCase()] = operation(one)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'poolmesh',
      version: SERVICE_VERSION,
      summary: 'Tasks published on NATS, routed to the pool that fits best, ended in exactly one result.',
      description:
        'JSON in UTF-8, fields in snake_case as on the bus. Errors are problem details (RFC 9457) with the codes of the bus. ' +
        'On loopback no token is needed; on any other address `Authorization: Bearer` is. What changes something needs ' +
        '`Content-Type: application/json` or `X-Requested-With`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{}, { token: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      responses: {
        Problem: {
          description: `What was wrong, and where. Codes: ${Object.keys(ERRORS).join(', ')}.`,
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  }
}

function operation(one: Route): Json {
  return {
    operationId: one.id,
    tags: [one.tag],
    summary: one.summary,
    parameters: [
      ...parameters(one.params, 'path'),
      ...parameters(one.query, 'query'),
      ...Object.entries(one.headers ?? {}).map(([name, description]) => ({
        name,
        in: 'header',
        description,
        schema: { type: 'string' },
      })),
    ],
    ...(one.body && {
      requestBody: {
        required: true,
        content: { [one.bodyType ?? 'application/json']: { schema: jsonSchema(one.body, 'input') } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(one.answers).map(([status, { description, schema, type }]) => [
          status,
          {
            description,
            content: {
              [type ?? 'application/json']: {
                schema: schema ? jsonSchema(schema, 'output') : { type: 'string' },
              },
            },
          },
        ]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function parameters(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }))
}

/** Without the parts of a schema that JSON Schema cannot say; those are checked all the same. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' })
  return rest
}

/** @param routes all of them, this one too once it is among them */
export const openApiRoute = (routes: () => readonly Route[]): Route => {
  let text: string | null = null
  return route({
    method: 'GET',
    path: '/api/v1/openapi.json',
    id: 'openApi',
    tag: 'overview',
    summary: 'This document.',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
    handle: ({ reply }) => {
      text ??= JSON.stringify(openApi(routes()), null, 2)
      return reply.type('application/json').send(text)
    },
  })
}
