import { PoolmeshError } from '@poolmesh/types'

export const invalidSetting = (variable: string, value: string, wanted: string): PoolmeshError =>
  new PoolmeshError('INVALID_SETTING', `${variable} is ${JSON.stringify(value)}: it must be ${wanted}`, [
    { path: variable, message: `must be ${wanted}` },
  ])
