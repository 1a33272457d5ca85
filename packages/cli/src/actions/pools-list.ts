import type { PoolPage } from '@poolmesh/client'
import type { PoolListRequest } from '@poolmesh/types'
import type { PoolsListOptions } from '../commands/pools.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { requireLimit } from '../options.ts'
import { collectPages } from '../pages.ts'
import { withSystem } from '../system.ts'
import { POOL_COLUMNS } from '../views/pools.ts'

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
  printList(options, {
    columns: POOL_COLUMNS,
    rows: page.pools,
    json: page,
    nothing: isFiltered(options) ? 'no pool is like that' : 'no pool is registered',
    cursor: page.cursor,
  })
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
