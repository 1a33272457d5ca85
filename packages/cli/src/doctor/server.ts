// The server itself, and what it says of whoever asks: its own time, and what the user may do.
import { isTooOld } from '@poolmesh/bus'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { type Finding, fail, messageOf, ok, warn } from './finding.ts'
import { type Permissions, permissionFinding } from './permissions.ts'

const ASK_MS = 2_000
/** Seconds that clocks may differ. */
const SKEW_WARNED = 1
const SKEW_FAILED = 10

export async function serverFindings({ connection: nc }: DistributedPoolSystem): Promise<Finding[]> {
  const version = nc.info?.version ?? 'of unknown version'
  return [
    ok('server', `${nc.getServer()} answers in ${await nc.rtt()} ms`),
    isTooOld(version)
      ? fail('server version', `nats-server ${version}`, 'Upgrade it to 2.12 or newer.')
      : ok('server version', `nats-server ${version}`),
    ...(await userFindings(nc)),
  ]
}

async function userFindings(nc: DistributedPoolSystem['connection']): Promise<Finding[]> {
  const before = Date.now()
  try {
    const reply = await nc.request('$SYS.REQ.USER.INFO', '', { timeout: ASK_MS })
    const { server, data } = reply.json<{ server: { time: string }; data: { permissions?: Permissions } }>()
    return [
      clockFinding(Date.parse(server.time), before, Date.now()),
      permissionFinding(data.permissions ?? {}),
    ]
  } catch (error) {
    const advice = 'Allow the user to publish to $SYS.REQ.USER.INFO and to subscribe to _INBOX.>.'
    return [warn('permissions', `the server does not tell them: ${messageOf(error)}`, advice)]
  }
}

/** The server read its clock between `before` and `after`, all in milliseconds since the epoch. */
export function clockFinding(server: number, before: number, after: number): Finding {
  const seconds = Math.max(before - server, server - after, 0) / 1_000
  const found = `${seconds.toFixed(1)} s between this machine and the server`
  const advice = 'Set both clocks by NTP: the ages and deadlines of tasks are compared across machines.'
  if (seconds > SKEW_FAILED) return fail('clocks', found, advice)
  return seconds > SKEW_WARNED ? warn('clocks', found, advice) : ok('clocks', found)
}
