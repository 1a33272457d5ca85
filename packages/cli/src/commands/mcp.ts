import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import type { CommonOptions } from '../options.ts'

export function defineMcp(parent: Command, end: End): void {
  const mcp = parent
    .command('mcp')
    .description('Serve the tools for agents (MCP) on standard input and output, until the input ends.')
  finish(mcp, ['mcp', 'mcp --server nats://10.0.0.5:4222']).action(async (options: CommonOptions) => {
    const { serveTools } = await import('../actions/mcp.ts')
    end(await serveTools(options))
  })
}
