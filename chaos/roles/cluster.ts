// The Kubernetes API server of the testkit, whose Jobs are processes. Nobody hits it: what is tried is those who use it.
import { renameSync, writeFileSync } from 'node:fs'
import { FakeKubernetes } from '@poolmesh/testkit'
import type { RoleOptions } from '../system/population.ts'

/** Ready when the kubeconfig is where the services look for it. */
export async function startCluster({ kubeconfig = '' }: RoleOptions): Promise<void> {
  const cluster = await FakeKubernetes.start()
  writeFileSync(`${kubeconfig}.new`, cluster.kubeconfig)
  renameSync(`${kubeconfig}.new`, kubeconfig)
  process.once('SIGTERM', () => void cluster.kill().then(() => process.exit(0)))
}
