// Outputs that were too large for a message: fetched before the user sees the result.
import { type ClaimCheck, isPayloadRef } from '@poolmesh/bus'
import type { DistributedTaskResult } from '@poolmesh/types'

export const hasOutputRef = (result: DistributedTaskResult): boolean =>
  result.output === null && isPayloadRef(result['output_ref'])

const TRIES = 3

/**
 * The result with its output. Where that cannot be fetched any more, the result says so in `error` and keeps its
 * `output_ref`; its status stays, since the task did end like that.
 */
export async function withOutput(
  claims: ClaimCheck,
  result: DistributedTaskResult,
): Promise<DistributedTaskResult> {
  const ref = result['output_ref']
  if (!isPayloadRef(ref)) return result
  let error = ''
  for (let i = 0; i < TRIES; i++) {
    try {
      const { output_ref: _, ...rest } = result
      return { ...rest, output: (await claims.get(ref)) as Record<string, unknown> } as DistributedTaskResult
    } catch (cause) {
      error = (cause as Error).message
    }
  }
  return { ...result, error: `the output could not be fetched: ${error}` }
}
