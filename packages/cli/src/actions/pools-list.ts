import type { PoolPage } from '@poolmesh/client'
import type { PoolListRequest } from '@poolmesh/types'
import type { PoolsListOptions } from '../commands/pools.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { requireLimit } from '../options.ts'
import { notice, print, printJson, terminalWidth } from '../output.ts'
import { collectPages } from '../pages.ts'
import { withSystem } from '../system.ts'
import { formatPools } from '../views/pools.ts'

/** Pools a page; the registry gives fewer where they would not fit into one message. */
const PAGE = 1_000

export async function listPools(options: PoolsListOptions): Promise<ExitCode> {
  const limit = requireLimit(options.limit)
  const page = await withSystem(options, async ({ registry }): Promise<PoolPage> => {
    const ask = async (limit: number, from: string | null) => {
      const { pools, cursor } = await registry.listPools({ ...filterOf(options), limit, cursor: from })
      return { items: pools, cursor }
    }
    const { items, cursor } = await collectPages(ask, { from: options.cursor, limit, pageSize: PAGE })
    return { pools: items, cursor }
  })
  if (options.json) {
    printJson(page)
    return EXIT.done
  }
  if (page.pools.length > 0) print(formatPools(page.pools, terminalWidth()))
  else notice(isFiltered(options) ? 'no pool is like that' : 'no pool is registered')
  if (page.cursor !== null) notice(`there are more: --cursor ${page.cursor} goes on`)
  return EXIT.done
}

const filterOf = (options: PoolsListOptions): PoolListRequest => ({
  ...(options.capability === undefined ? {} : { capability: options.capability }),
  ...(options.region === undefined ? {} : { region: options.region }),
  ...(options.type === undefined ? {} : { pool_type: options.type as PoolListRequest['pool_type'] }),
  active_only: options.active === true,
})

const isFiltered = ({ capability, region, type, active, cursor }: PoolsListOptions): boolean =>
  [capability, region, type, active, cursor].some((option) => option !== undefined)
