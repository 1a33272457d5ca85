#!/usr/bin/env node
// The command `poolmesh`. Loads little by itself: each command loads what it needs when it is run.
import * as module from 'node:module'
import { join } from 'node:path'

// Halves the time to load the modules of a command; where `npm start` keeps its own. Node has it since 22.8.
module.enableCompileCache?.(join(import.meta.dirname, '..', '..', '..', 'node_modules', '.cache', 'compiled'))

const { runCommandLine } = await import('./program.ts')
const { endQuietlyWithReader } = await import('./output.ts')

endQuietlyWithReader()
const exitCode = await runCommandLine(process.argv)
// Once all is written: nothing that a closed connection left behind, such as a timer, may hold up the end.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)))
