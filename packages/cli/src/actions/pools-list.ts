import type { PoolPage, PoolRegistry } from '@poolmesh/client'
import type { PoolListRequest } from '@poolmesh/types'
import type { PoolsListOptions } from '../commands/pools.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { requireLimit } from '../options.ts'
import { notice, print, printJson, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatPools } from '../views/pools.ts'

/** Pools a page; the registry gives fewer where they would not fit into one message. */
const PAGE = 1_000

export async function listPools(options: PoolsListOptions): Promise<ExitCode> {
  const limit = requireLimit(options.limit)
  const page = await withSystem(options, ({ registry }) => collect(registry, options, limit))
  if (options.json) {
    printJson(page)
    return EXIT.done
  }
  if (page.pools.length > 0) print(formatPools(page.pools, terminalWidth()))
  else notice(isFiltered(options) ? 'no pool is like that' : 'no pool is registered')
  if (page.cursor !== null) notice(`there are more: --cursor ${page.cursor} goes on`)
  return EXIT.done
}

/** Page after page, to the end or to the limit. The cursor is null at the end, as the contract has it. */
async function collect(registry: PoolRegistry, options: PoolsListOptions, limit: number): Promise<PoolPage> {
  const all: PoolPage = { pools: [], cursor: options.cursor ?? null }
  do {
    const { pools, cursor } = await registry.listPools({
      ...filterOf(options),
      limit: Math.min(PAGE, limit - all.pools.length),
      cursor: all.cursor,
    })
    all.pools.push(...pools)
    all.cursor = cursor
  } while (all.cursor !== null && all.pools.length < limit)
  return all
}

const filterOf = (options: PoolsListOptions): PoolListRequest => ({
  ...(options.capability === undefined ? {} : { capability: options.capability }),
  ...(options.region === undefined ? {} : { region: options.region }),
  ...(options.type === undefined ? {} : { pool_type: options.type as PoolListRequest['pool_type'] }),
  active_only: options.active === true,
})

const isFiltered = ({ capability, region, type, active, cursor }: PoolsListOptions): boolean =>
  [capability, region, type, active, cursor].some((option) => option !== undefined)
