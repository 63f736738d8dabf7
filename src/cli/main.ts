#!/usr/bin/env node
/** The executable `effuse`. */
import { runCli } from './run.ts'

process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
})
