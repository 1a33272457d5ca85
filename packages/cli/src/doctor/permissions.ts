// What a user of the command line needs, held to what the server grants. Nothing is published to find out.
import { LANES, SUBJECTS, submittedSubject } from '@poolmesh/types'
import { type Finding, fail, ok } from './finding.ts'

interface Subjects {
  allow?: string[]
  deny?: string[]
}

/** As the server tells them; what is left out is not limited. */
export interface Permissions {
  publish?: Subjects
  subscribe?: Subjects
}

const PUBLISHED = [
  ...LANES.map((lane) => submittedSubject(lane, 'one')),
  SUBJECTS.taskStatus,
  SUBJECTS.taskResult,
  SUBJECTS.taskCancel,
  SUBJECTS.taskExplain,
  SUBJECTS.taskDistribute,
  SUBJECTS.poolList,
  SUBJECTS.poolGet,
  '$JS.API.INFO',
  '$JS.API.STREAM.INFO.TASKS',
]
const SUBSCRIBED = ['_INBOX.one.reply']

export function permissionFinding({ publish = {}, subscribe = {} }: Permissions): Finding {
  const denied = [
    ...PUBLISHED.filter((subject) => !permits(publish, subject)).map((subject) => `publish ${subject}`),
    ...SUBSCRIBED.filter((subject) => !permits(subscribe, subject)).map(() => 'subscribe _INBOX.>'),
  ]
  if (denied.length === 0) return ok('permissions', 'the user may do what the command line does')
  return fail(
    'permissions',
    `denied: ${denied.join(', ')}`,
    'Allow these to the user in the configuration of the server, or connect as another.',
  )
}

const permits = ({ allow = [], deny = [] }: Subjects, subject: string): boolean =>
  (allow.length === 0 || allow.some((pattern) => covers(pattern, subject))) &&
  !deny.some((pattern) => covers(pattern, subject))

function covers(pattern: string, subject: string): boolean {
  const words = subject.split('.')
  const parts = pattern.split('.')
  if (parts.at(-1) === '>')
    return (
      words.length >= parts.length &&
      covers(parts.slice(0, -1).join('.'), words.slice(0, parts.length - 1).join('.'))
    )
  return parts.length === words.length && parts.every((part, i) => part === '*' || part === words[i])
}
