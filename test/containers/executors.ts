// Which container dispatches.
import { until } from '@poolmesh/testkit'
import type { Stranger } from '../contract/harness.ts'
import { command } from './command.ts'
import type { Compose } from './compose.ts'

/** The container of the executor that dispatches. */
export async function dispatching(compose: Compose, stranger: Stranger): Promise<string> {
  const containers = await compose.containers('executor')
  return await until(async () => {
    const holder = await dispatcher(stranger)
    if (holder === null) return null
    const logs = await Promise.all(containers.map((id) => command('docker', ['logs', id])))
    return containers.find((_, i) => logs[i]?.includes(`"executor":"${holder}"`))
  }, 'an executor to dispatch')
}

async function dispatcher({ jsm }: Stranger): Promise<string | null> {
  const message = await jsm.direct
    .getMessage('KV_EXECUTORS', { last_by_subj: '$KV.EXECUTORS.dispatcher' })
    .catch(() => null)
  return message?.json<{ holder: string | null }>().holder ?? null
}
