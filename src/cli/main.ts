#!/usr/bin/env node
/** The executable `effuse`. */
import { fileError } from '../platform/node-file-error.ts'
import { terminal } from '../platform/node-progress-bar.ts'
import { invocationOf } from './invocation.ts'
import { runCli } from './run.ts'

// The reader of the results may stop early, as head does. Then there is nothing more to print.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  process.stderr.write(`error EF501: ${fileError(error, 'the results to stdout', 'write').message}\n`)
  process.exit(1)
})
// The reader of the progress may stop early, too. The work continues.
process.stderr.on('error', () => {})

process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  terminal: terminal(),
  program: invocationOf({ program: process.argv[1] ?? '', folder: process.cwd(), environment: process.env }),
})
