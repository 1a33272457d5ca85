import {
  isJsonObject,
  type PoolDescriptorInput,
  PoolmeshError,
  poolDescriptorSchema,
  validate,
} from '@poolmesh/types'
import type { PoolsDeregisterOptions, PoolsRegisterOptions } from '../commands/pools-change.ts'
import { confirm } from '../confirm.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readJsonArgument } from '../json-argument.ts'
import { notice, print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatPool } from '../views/pools.ts'

export async function registerPool(
  name: string | undefined,
  options: PoolsRegisterOptions,
): Promise<ExitCode> {
  const descriptor = await descriptorOf(name, options)
  const pool = await withSystem(options, ({ registry }) => registry.registerPool(descriptor))
  if (options.json) printJson(pool)
  else print(formatPool(pool))
  return EXIT.done
}

/** What the file says, with what the options say in its place. @throws PoolmeshError INVALID_INPUT with paths */
async function descriptorOf(
  name: string | undefined,
  options: PoolsRegisterOptions,
): Promise<PoolDescriptorInput> {
  const { file, metadata } = options
  if (file === '-' && (metadata === '-' || metadata === '@-'))
    throw new PoolmeshError('INVALID_INPUT', '--file and --metadata cannot both be standard input')
  const base = file === undefined ? {} : await readJsonArgument('--file', file === '-' ? '-' : `@${file}`)
  if (!isJsonObject(base))
    throw new PoolmeshError(
      'INVALID_INPUT',
      '--file must have one pool: a JSON object with name and pool_type',
    )
  const given = {
    name,
    pool_type: options.type,
    endpoint: options.endpoint,
    capabilities: options.capability,
    max_workers: options.maxWorkers,
    region: options.region,
    metadata: metadata === undefined ? undefined : await readJsonArgument('--metadata', metadata),
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return validate(poolDescriptorSchema, { ...base, ...set }, 'the pool')
}

export async function deregisterPool(name: string, options: PoolsDeregisterOptions): Promise<ExitCode> {
  const drain = options.drain === true
  return await withSystem(options, async ({ registry }) => {
    const pool = await registry.getPoolStatus(name)
    const question = `${drain ? 'Drain' : 'Take out'} the pool ${name}, busy ${pool.utilization}?`
    if (!options.yes && !(await confirm(question))) {
      notice('nothing was changed')
      return EXIT.notCompleted
    }
    const reply = await registry.deregisterPool(name, { drain })
    if (options.json) printJson(reply)
    else print(reply.draining ? `${name} is gone when its last task has ended\n` : `${name} is taken out\n`)
    return EXIT.done
  })
}
