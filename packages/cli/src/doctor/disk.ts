// Room for the files of the server that `npm start` runs on this machine; another server's disk cannot be seen from here.
import { statfs } from 'node:fs/promises'
import { loadSettings } from '@poolmesh/bus'
import type { SystemOptions } from '../system.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Parts of the disk that are free. */
const SCARCE = 0.1
const NOTHING_LEFT = 0.01

export async function diskFindings(options: SystemOptions): Promise<Finding[]> {
  const { natsUrl, poolmesh } = loadSettings()
  if (options.server !== undefined || natsUrl !== null) return []
  try {
    const { bavail, blocks, bsize } = await statfs(poolmesh.data_dir)
    return [diskFinding(poolmesh.data_dir, bavail * bsize, blocks * bsize)]
  } catch {
    // The server was started in another folder, or in a container.
    return []
  }
}

/** @param free bytes that whoever is not root may still use */
export function diskFinding(folder: string, free: number, all: number): Finding {
  const found = `${(free / 1024 ** 3).toFixed(1)} of ${(all / 1024 ** 3).toFixed(1)} GiB free for ${folder}`
  const advice = 'Make room, or move it with POOLMESH_DATA_DIR: without room no task is stored.'
  if (free < all * NOTHING_LEFT) return fail('disk', found, advice)
  return free < all * SCARCE ? warn('disk', found, advice) : ok('disk', found)
}
