/** The command line as a function from argv to the exit code: 0 done, 1 the work failed, 2 the command line is wrong, 129, 130 or 143 stopped by a signal. */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environment } from '#platform'
import { Command, CommanderError } from 'commander'
import { EffuseError, type ErrorCode } from '../ir/diagnostics.ts'
import { escapedLines } from '../ir/escaped.ts'
import { argumentError, checkArguments } from './arguments.ts'
import { addBench } from './commands/bench.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEvaluate } from './commands/evaluate.ts'
import { addExplain } from './commands/explain.ts'
import { addExport } from './commands/export.ts'
import { addInspect } from './commands/inspect.ts'
import { addOpt } from './commands/opt.ts'
import { addPredict } from './commands/predict.ts'
import { addSetup } from './commands/setup.ts'
import { addTrain } from './commands/train.ts'
import { addVerify } from './commands/verify.ts'
import type { Io } from './io.ts'
import { version } from './common.ts'

/** Codes of errors in the command line, not in the work. */
const usageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['EF301', 'EF302', 'EF403', 'EF601', 'EF602'])

const commands = [
  addPredict,
  addTrain,
  addEvaluate,
  addInspect,
  addOpt,
  addExplain,
  addExport,
  addDoctor,
  addSetup,
  addBench,
  addVerify,
]

/** @param argv Arguments after the program's name. A user's mistake gives neither an exception nor a stack trace. */
export const runCli = async (argv: readonly string[], io: Io): Promise<number> => {
  const isJson = argv.includes('--json')
  const program = new Command('effuse').description('a graph compiler for convolutional networks').version(version)
  // `effuse setup tensorflow --version` is TensorFlow's version, not effuse's.
  program.enablePositionalOptions(argv[0] === 'setup')
  program.exitOverride().configureOutput({
    writeOut: (text) => io.out(text.trimEnd()),
    writeErr: (text) => {
      if (!isJson) io.err(escapedLines(text.trimEnd()))
    },
    outputError: () => {}, // report() prints it
  })
  let exitCode = 0
  const end = (code: number): void => {
    exitCode = code
  }
  for (const add of commands) add(program, io, end)
  for (const command of program.commands) command.exitOverride().configureOutput(program.configureOutput())
  try {
    checkArguments(program, argv)
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    return report(error, argv, io)
  }
}

const report = (error: unknown, argv: readonly string[], io: Io): number => {
  const isJson = argv.includes('--json')
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    // Without a command, commander has printed the help.
    return error.code === 'commander.help' ? 2 : report(argumentError(error, argv), argv, io)
  }
  if (!(error instanceof EffuseError)) {
    // effuse's own code throws EffuseErrors, so this error is from a model's module, or a fault of effuse.
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    const hint = 'this is a fault of effuse, or of your own model; EFFUSE_DEBUG=1 shows where it was thrown'
    if (environment('EFFUSE_DEBUG') !== undefined && error instanceof Error) io.err(error.stack ?? message)
    return report(new EffuseError({ code: 'EF901', message, hint, cause: error }), argv, io)
  }
  if (isJson) io.out(JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint ?? null } }))
  else
    io.err(
      `error ${error.code}: ${error.message}${error.hint === undefined ? '' : `\n  hint: ${error.hint}`}\n  see ${pageOf(error)}`,
    )
  return usageCodes.has(error.code) ? 2 : 1
}

/** The page in the package. src/cli and dist/cli have the same depth. */
const pageOf = ({ code }: EffuseError): string => {
  const page = fileURLToPath(new URL('../../docs/errors.md', import.meta.url))
  const near = relative('', page)
  return `${near.startsWith('..') ? page : near}#${code.toLowerCase()}`
}
