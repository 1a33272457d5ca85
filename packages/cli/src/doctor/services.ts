// Whether each service answers, and is of the version of this command.
import { SERVICE_VERSION } from '@poolmesh/bus'
import type { DistributedPoolSystem } from '@poolmesh/client'
import { type Finding, fail, messageOf, ok, warn } from './finding.ts'

const ANSWER_MS = 2_000
/** What is missed without it; `fail` where no task runs then. */
const SERVICES = [
  { name: 'registry', without: fail, missed: 'pools cannot register' },
  { name: 'executor', without: fail, missed: 'no task runs' },
  { name: 'distributor', without: warn, missed: 'fan-outs wait' },
  { name: 'health-monitor', without: warn, missed: 'pools that fail are not noticed' },
] as const

export const serviceFindings = ({ connection: nc }: DistributedPoolSystem): Promise<Finding[]> =>
  Promise.all(
    SERVICES.map(async ({ name, without, missed }) => {
      try {
        const reply = await nc.request(`$SRV.PING.poolmesh-${name}`, '', { timeout: ANSWER_MS })
        const { version } = reply.json<{ version: string }>()
        if (version === SERVICE_VERSION) return ok(name, `answers, version ${version}`)
        const advice = 'Run one version of all services and of the command.'
        return warn(name, `answers, version ${version}; this command is ${SERVICE_VERSION}`, advice)
      } catch (error) {
        if (/permission/i.test(messageOf(error)))
          return warn(name, 'may not be asked', `Allow the user to publish to $SRV.PING.poolmesh-${name}.`)
        const advice = `Start it: npm start, or npm run service -- ${name}.`
        return without(name, `does not answer: ${missed}`, advice)
      }
    }),
  )
