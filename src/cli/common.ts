/** What commands have in common: options, models by name, errors. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Command, Option } from 'commander'
import type { CompileOptions } from '../executable/options.ts'
import type { Model } from '../ir/model.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { nearest } from '../ir/parse.ts'
import { fromWord, isOfKind, type Kind, kindWords } from '../recipes/kinds.ts'
import { efficientNet, variants, type EfficientNetOptions } from '../models/efficientnet.ts'

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean
  readonly backend?: string
  readonly amp?: boolean
  readonly use_amp?: boolean
  readonly xla?: boolean
  readonly seed?: string
}

/** Adds --json, --backend, --amp, --xla and --seed; `--use_amp` and `--use_xla` as NVIDIA's scripts write them. */
export const withCommon = (command: Command): Command =>
  command
    .option('--json', 'print one JSON document on stdout and nothing else there')
    .option('--backend <name>', 'where to run: auto, tfjs-wasm, tfjs-cpu, reference', 'auto')
    .option('--amp', 'mixed precision')
    .addOption(new Option('--use_amp', 'as --amp, the way NVIDIA writes it').hideHelp())
    .option('--xla', 'simplify and fuse the whole graph (default)')
    .addOption(new Option('--use_xla', 'as --xla, the way NVIDIA writes it').hideHelp())
    .option('--no-xla', 'run op by op as written')
    .option('--seed <n>', 'of initial values and random numbers', '0')

/** The options of compile() that the common options stand for. */
export const compileOptionsOf = (options: CommonOptions): CompileOptions => {
  if (options.amp === true || options.use_amp === true)
    throw new EffuseError({
      code: 'EF403',
      message: 'mixed precision (--amp) is not part of this version of effuse',
      hint: 'leave --amp out',
    })
  return {
    backend: (options.backend ?? 'auto') as NonNullable<CompileOptions['backend']>,
    xla: options.xla ?? true,
    seed: naturalOf('--seed', options.seed ?? '0'),
  } // compile() checks the name
}

/** A non-negative integer from the command line. @throws EffuseError EF601 */
export const naturalOf = (option: string, text: string, least = 0): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new EffuseError({
      code: 'EF601',
      message: `${option} must be an integer of at least ${least}, got "${text}"`,
    })
  return value
}

/** One of a few words. @throws EffuseError EF601 */
export const choiceOf = <T extends string>(option: string, text: string, of: readonly T[]): T => {
  const found = of.find((word) => word === text)
  if (found !== undefined) return found
  throw new EffuseError({
    code: 'EF601',
    message: `${option} must be one of ${of.join(', ')}, got "${text}"`,
    hint: `did you mean ${nearest(text, of)}?`,
  })
}

/** A share from the command line, above 0 and below 1. @throws EffuseError EF601 */
export const shareOf = (option: string, text: string): number => {
  const kind: Kind = { kind: 'number', above: 0, below: 1 }
  const value = fromWord(kind, text)
  if (typeof value !== 'number' || !isOfKind(kind, value))
    throw new EffuseError({ code: 'EF601', message: `${option} must be ${kindWords(kind)}, got "${text}"` })
  return value
}

/**
 * A model by name: a variant of EfficientNet, or an export of one's own module, `./net.js#digits` (default export without `#`).
 * @throws EffuseError EF602
 */
export const modelByName = async (name: string, options: EfficientNetOptions = {}): Promise<Model> => {
  if (isVariant(name)) return efficientNet(name, options) as unknown as Model // a model of any signature
  if (!name.includes('/') && !/\.[cm]?[jt]s(#|$)/.test(name)) {
    throw new EffuseError({
      code: 'EF602',
      message: `there is no model "${name}"; there are ${variants.join(', ')}, or your own as ./net.js#name`,
      hint: `did you mean ${nearest(name, variants)}?`,
    })
  }
  const [file = '', exported = 'default'] = name.split('#')
  const module = await importModule(file)
  const model = module[exported]
  if (!isModel(model)) {
    throw new EffuseError({
      code: 'EF602',
      message: `${file} exports no model "${exported}"; it exports ${Object.keys(module).join(', ') || 'nothing'}`,
      hint: 'a model is what graph() returns: export const digits = graph(...), then --model ./net.js#digits',
    })
  }
  return model
}

const isVariant = (name: string): name is (typeof variants)[number] => variants.some((v) => v === name)

const importModule = async (file: string): Promise<{ readonly [name: string]: unknown }> => {
  try {
    return await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    throw new EffuseError({
      code: 'EF602',
      message: `the module ${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    })
  }
}

const isModel = (value: unknown): value is Model =>
  typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'function' && 'inputs' in value
