/** Shared parts of the commands: options, models by name, errors. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Command, Option } from 'commander'
import { createRequire } from 'node:module'
import { type BackendName, backendNames, runningNames } from '../backends/catalog.ts'
import type { MixedPrecision } from '../executable/amp.ts'
import type { CompileOptions } from '../executable/options.ts'
import type { Model } from '../ir/model.ts'
import { sideMax } from '../pixels/size.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { type AnyMetrics, metricsCheck } from '../passes/train/metrics.ts'
import { systemCode } from '../platform/node-file-error.ts'
import { checkRegular } from '../platform/node-regular-file.ts'
import { fromWord, isOfKind, type Kind, kindWords } from '../recipes/kinds.ts'
import { efficientNet, variants, type EfficientNetOptions } from '../models/efficientnet.ts'
import { didYouMean } from '../ir/words.ts'
import { crossEntropy } from '../passes/train/losses.ts'
import { rmsprop } from '../passes/train/optimizers.ts'
import { cosine, warmup } from '../passes/train/schedules.ts'
import { stepOptionsOf } from '../passes/train/declaration.ts'
import { trainingStep } from '../passes/train/step.ts'

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean
  readonly backend?: string
  readonly amp?: boolean
  readonly use_amp?: boolean
  readonly ampDtype?: string
  readonly ampStrategy?: string
  readonly emulateHalf?: boolean
  readonly xla?: boolean
  readonly seed?: string
}

/** Adds --json, --backend, --amp, --xla and --seed, also in the form of NVIDIA's scripts, `--use_amp` and `--use_xla`. */
export const withCommon = (command: Command): Command =>
  command
    .option('--json', 'print exactly one JSON document on stdout')
    .option('--backend <name>', `where to run: auto, ${runningNames.join(', ')}`, 'auto')
    .option('--amp', 'mixed precision')
    .addOption(new Option('--use_amp', 'same as --amp, for NVIDIA command lines').hideHelp())
    .option('--amp-dtype <type>', 'float16 or bfloat16; implies --amp (default: float16)')
    .option('--amp-strategy <name>', 'minCut or tensorflow; implies --amp (default: minCut)')
    .option('--emulate-half', 'on a backend without half arithmetic, round after each op: exact and slow')
    .option('--xla', 'simplify and fuse the whole graph (default)')
    .addOption(new Option('--use_xla', 'same as --xla, for NVIDIA command lines').hideHelp())
    .option('--no-xla', 'run the declared graph op by op')
    .option('--seed <n>', 'seed of initial values and random numbers', '0')

/** The options of compile() for the common options. */
export const compileOptionsOf = (options: CommonOptions): CompileOptions => ({
  backend: backendOf(options.backend ?? 'auto'),
  amp: ampOf(options),
  xla: options.xla ?? true,
  seed: naturalOf('--seed', options.seed ?? '0', 0, 2 ** 32 - 1),
})

/**
 * The name of a backend.
 * @throws EffuseError EF601 with a list of the available backends. Accepts planned backends; opening one reports that it is not available yet
 */
export const backendOf = (text: string): BackendName => {
  const known = backendNames.find((name) => name === text)
  if (known !== undefined) return known
  const there = ['auto', 'tfjs', ...runningNames] as const
  // Suggests names that end with the given word: `gpu` means `tfjs-webgpu`, but has few letters in common with it.
  const [longer] = text === '' ? [] : there.filter((name) => name.endsWith(text.toLowerCase()))
  return choiceOf('--backend', text, there, longer === undefined ? undefined : `did you mean ${longer}?`)
}

/** The options for commands that compile and do not run. They need no half arithmetic. */
export const paperOptionsOf = (options: CommonOptions): CompileOptions => {
  const amp = ampOf(options)
  return { ...compileOptionsOf(options), amp: amp === false ? false : { ...amp, emulate: true } }
}

const ampOf = (options: CommonOptions): false | MixedPrecision => {
  const { ampDtype, ampStrategy, emulateHalf } = options
  const wanted = options.amp === true || options.use_amp === true || ampDtype !== undefined || ampStrategy !== undefined
  if (!wanted) {
    if (emulateHalf !== true) return false
    throw new EffuseError({
      code: 'EF601',
      message: '--emulate-half needs --amp: without it no value is half',
      hint: 'add --amp, or leave --emulate-half out',
    })
  }
  return {
    dtype: ampDtype as MixedPrecision['dtype'], // compile() checks both
    strategy: ampStrategy as MixedPrecision['strategy'],
    emulate: emulateHalf,
  }
}

/** A non-negative integer from the command line. @throws EffuseError EF601 */
export const naturalOf = (option: string, text: string, least = 0, most?: number): number => {
  const kind: Kind = { kind: 'integer', least, ...(most === undefined ? {} : { most }) }
  const value = fromWord(kind, text)
  if (typeof value !== 'number' || !isOfKind(kind, value))
    throw new EffuseError({ code: 'EF601', message: `${option} must be ${kindWords(kind)}, got "${text}"` })
  return value
}

/** Height and width of pictures. @throws EffuseError EF601 */
export const sizeFlag = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : naturalOf('--size', text, 1, sideMax)

/** One of a few words. @throws EffuseError EF601 */
export const choiceOf = <T extends string>(option: string, text: string, of: readonly T[], hint?: string): T => {
  const found = of.find((word) => word === text)
  if (found !== undefined) return found
  throw new EffuseError({
    code: 'EF601',
    message: `${option} must be one of ${of.join(', ')}, got "${text}"`,
    hint: hint ?? didYouMean(text, of, ''),
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
 * A model by name: a variant of EfficientNet, or an export of the user's module, `./net.js#digits` (default export without `#`).
 * @throws EffuseError EF602
 */
export const modelByName = async (name: string, options: EfficientNetOptions = {}): Promise<Model> => {
  if (isVariant(name)) return efficientNet(name, options)
  if (isOfWeights(name))
    throw new EffuseError({
      code: 'EF602',
      message: `--model takes a variant or a module, but ${name} is ${statSync(name).isDirectory() ? 'a folder' : 'a file of weights'}`,
      hint: `of a run's folder, or a file of weights: effuse inspect ${name}`,
    })
  const named = ownModuleOf(name)
  if (named === null) {
    throw new EffuseError({
      code: 'EF602',
      message: `there is no model "${name}"; there are ${variants.join(', ')}, or your own as ./net.js#name`,
      hint: didYouMean(name, variants, ''),
    })
  }
  const { file, exported = 'default' } = named
  const module = await importModule(file)
  const model = module[exported]
  if (!isModel(model)) {
    throw new EffuseError({
      code: 'EF602',
      message: `${file} exports no model "${exported}"; it exports ${Object.keys(module).join(', ') || 'nothing'}`,
      hint: 'graph() returns a model: export const digits = graph(...), then --model ./net.js#digits',
    })
  }
  return model
}

/**
 * The metrics that the module of the user's model exports: `export const metrics = { name: (outputs, targets) => ... }`.
 * @throws EffuseError EF602 (the module), EF403 (its export `metrics` is invalid)
 */
export const metricsBeside = async (name: string): Promise<AnyMetrics | undefined> => {
  const named = ownModuleOf(name)
  if (named === null) return undefined
  const { metrics } = await importModule(named.file)
  const [what, isMetrics] = metricsCheck
  if (metrics !== undefined && !isMetrics(metrics))
    throw new EffuseError({
      code: 'EF403',
      message: `the export "metrics" of ${named.file} must be ${what}, got ${showGiven(metrics)}`,
    })
  return metrics as AnyMetrics | undefined // checked above
}

/** `./net.js#digits` as file and export; null if it is not a path. The last `#` separates them, because names of folders may contain `#`. */
export const ownModuleOf = (name: string): { readonly file: string; readonly exported: string | undefined } | null => {
  const at = name.lastIndexOf('#')
  const exported =
    at < 0 || !/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name.slice(at + 1)) ? null : name.slice(at + 1)
  const file = exported === null ? name : name.slice(0, at)
  return /[/\\]/.test(file) || /\.[cm]?[jt]s$/.test(file) ? { file, exported: exported ?? undefined } : null
}

/** Is it a folder, or a file with the name of a file of weights? */
const isOfWeights = (name: string): boolean => {
  const status = statSync(name, { throwIfNoEntry: false })
  return status?.isDirectory() === true || (status !== undefined && /\.(safetensors|pth?|bin)$/.test(name))
}

/** Is it a variant of EfficientNet? Other names are modules. */
export const isVariant = (name: string): name is (typeof variants)[number] => variants.some((v) => v === name)

const importModule = async (file: string): Promise<{ readonly [name: string]: unknown }> => {
  const path = resolve(file)
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined)
    throw new EffuseError({ code: 'EF602', message: `the module ${file} cannot be loaded: there is no such file` })
  // import() of a pipe would wait forever.
  checkRegular(status, file, 'read')
  try {
    return await import(pathToFileURL(path).href)
  } catch (error) {
    throw new EffuseError({
      code: 'EF602',
      message: `the module ${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      // Node's error does not have the place of a syntax error.
      hint: isOfTypeScript(error)
        ? typescriptHint
        : error instanceof SyntaxError
          ? `node --check ${file} shows where`
          : undefined,
      cause: error,
    })
  }
}

/** Is it an error about TypeScript? Node 22.18 and later strip types; earlier ones reject the file extension, and all reject enums by default. */
const isOfTypeScript = (error: unknown): boolean =>
  ['ERR_UNKNOWN_FILE_EXTENSION', 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'].includes(systemCode(error) ?? '')
const typescriptHint = `this is Node ${process.versions.node}; Node 22.18 or later reads TypeScript without enums and namespaces; any does with a loader: npm install --save-dev tsx, then NODE_OPTIONS='--import tsx' before the command`

const isModel = (value: unknown): value is Model =>
  typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'function' && 'inputs' in value

/** The package's version, from package.json. */
export const version: string = (createRequire(import.meta.url)('effuse/package.json') as { readonly version: string })
  .version

/** The training step of EfficientNet: smoothed cross-entropy, RMSprop, cosine, weight decay, averages. A user's own step is unchanged. @throws EffuseError EF602 */
export const trainingStepOf = (model: Model): Model => {
  if (stepOptionsOf(model) !== null) return model
  const { logits } = model.outputs
  if (logits === undefined || logits.rank !== 2)
    throw new EffuseError({
      code: 'EF602',
      message: `--train needs a model with an output "logits" [batch,classes]; ${model.name} has ${Object.keys(model.outputs).join(', ')}`,
      hint: 'export a training step of your own: trainingStep(model, { loss, optimizer })',
    })
  return trainingStep(model, {
    loss: crossEntropy({ labelSmoothing: 0.1 }) as never, // the output is checked above
    optimizer: rmsprop({ learningRate: warmup(cosine({ initial: 0.016, steps: 100_000 }), { steps: 1000 }) }),
    weightDecay: 5e-6,
    emaDecay: 0.9999,
  })
}
