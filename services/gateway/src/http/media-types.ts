// What a body may be. Forms of other sites' pages can send none of it.
import type { IncomingHttpHeaders } from 'node:http'
import { HttpFault } from './problem.ts'

const JSON_TYPE = 'application/json'
export const NDJSON = 'application/x-ndjson'

const JSON_TYPES = /^application\/(json|[\w.-]+\+json)\s*(;|$)/i
/** One document of JSON is a line too. */
const LINES_TYPES = /^application\/(json|x-ndjson|ndjson|jsonl|x-jsonlines)\s*(;|$)/i

/** Of what says by its type that no form sent it. */
export const isOurs = (type: string): boolean => JSON_TYPES.test(type) || LINES_TYPES.test(type)

/**
 * No type at all is taken for the right one.
 * @param wanted what the route takes
 * @throws HttpFault 415
 */
export function checkMediaType(headers: IncomingHttpHeaders, wanted: string = JSON_TYPE): void {
  const { 'content-type': type, 'content-encoding': coding } = headers
  const types = wanted === NDJSON ? LINES_TYPES : JSON_TYPES
  if (type !== undefined && !types.test(type)) throw wrongType(type, wanted)
  if (coding !== undefined && coding !== 'identity')
    throw new HttpFault(
      415,
      'INVALID_INPUT',
      `bodies are read as they are: send it without Content-Encoding ${coding.slice(0, 100)}`,
      { 'accept-encoding': 'identity' },
    )
}

export const wrongType = (type: string, wanted = JSON_TYPE): HttpFault =>
  new HttpFault(
    415,
    'INVALID_INPUT',
    `a body of Content-Type ${type.slice(0, 100)} is not taken: send ${wanted === NDJSON ? 'lines of JSON' : 'JSON'}, with the header Content-Type: ${wanted}`,
    { accept: wanted },
  )
