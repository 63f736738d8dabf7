/** The EFFUSE_ variables of the environment (docs/debugging.md; a test compares). Passes never read them. */
import { environment, saveTemporaryText, saveText } from '#platform'
import { EffuseError } from '../ir/diagnostics.ts'
import { didYouMean } from '../ir/words.ts'
import type { DebugOptions, Reproducer } from '../passes/runner.ts'

/** Name -> what it does. */
export const environmentVariables = {
  EFFUSE_DEBUG: '1: a line per pass on stderr; 2: what each pass counted too',
  EFFUSE_PRINT_AFTER: 'names of passes, comma between: print the graph after them on stderr',
  EFFUSE_VERIFY: '1: verify the graph after each pass',
  EFFUSE_TRACE: 'a folder: save the graph after each pass there, as text',
  EFFUSE_AMP_ALLOW: 'names of ops, comma between: mixed precision computes them in half too; `!op` takes one out',
  EFFUSE_AMP_DENY: 'names of ops, comma between: mixed precision leaves them in float32; `!op` takes one out',
  EFFUSE_AMP_KEEP: 'globs of paths, comma between: mixed precision leaves these layers in float32',
  EFFUSE_PYTHON: 'the program that runs the peers of `effuse bench` in Python; default: python3',
  EFFUSE_AMP_LOSS_SCALE: "0: a training step's `lossScale: 'auto'` scales nothing under float16 either",
} as const

/** @param passNames Names of all available passes. @throws EffuseError EF403, which names the variable, the expected and the given value */
export const debugOptions = (
  passNames: ReadonlySet<string>,
): { readonly verify: boolean; readonly debug: DebugOptions | undefined } => {
  const level = Number(environment('EFFUSE_DEBUG') ?? '0')
  if (![0, 1, 2].includes(level))
    throw new EffuseError({
      code: 'EF403',
      message: `EFFUSE_DEBUG must be 0, 1 or 2, got ${environment('EFFUSE_DEBUG')}`,
    })
  const printAfter = namesIn('EFFUSE_PRINT_AFTER')
  const unknown = printAfter.find((name) => !passNames.has(name))
  if (unknown !== undefined)
    throw new EffuseError({
      code: 'EF403',
      message: `EFFUSE_PRINT_AFTER names the pass "${unknown}", and there is none; there are ${[...passNames].join(', ')}`,
      hint: didYouMean(unknown, [...passNames], ''),
    })
  const folder = environment('EFFUSE_TRACE')
  const debug: DebugOptions = {
    level,
    printAfter,
    log: (line) => console.error(line),
    saveGraph: folder === undefined || folder === '' ? undefined : (name, text) => saveTrace(folder, name, text),
  }
  const verify = environment('EFFUSE_VERIFY') ?? ''
  if (!['', '0', '1'].includes(verify))
    throw new EffuseError({ code: 'EF403', message: `EFFUSE_VERIFY must be 0 or 1, got ${verify}` })
  const isQuiet = level === 0 && printAfter.length === 0 && debug.saveGraph === undefined
  return { verify: verify === '1', debug: isQuiet ? undefined : debug }
}

/** The comma-separated list in a variable of the environment. */
export const namesIn = (variable: keyof typeof environmentVariables): readonly string[] =>
  (environment(variable) ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

const saveTrace = (folder: string, name: string, text: string): void => {
  try {
    saveText(folder, name, text)
  } catch (error) {
    throw new EffuseError({
      code: 'EF403',
      message: `EFFUSE_TRACE must name a folder that can be written, got ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    })
  }
}

/** Writes the program before the failing pass to a file, on platforms with files. */
export const saveReproducer = ({ program }: Reproducer): string | null =>
  saveTemporaryText('effuse-reproducer.ir', program)
