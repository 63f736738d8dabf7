/** Opens weights by path: a file, or a run's folder. The model is that of the weights, or of the run's own module. */
import { dirname } from 'node:path'
import { readFile } from '#platform'
import type { Command } from 'commander'
import { modelKey, trainingKey } from '../io/own-metadata.ts'
import { recognizeWeights } from '../io/recognize.ts'
import { readSafetensors } from '../io/safetensors.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import { isVariant } from '../models/efficientnet.ts'
import { formats } from '../models/import/conventions.ts'
import { openModel, type OpenedWeights, type OpenModelOptions } from '../models/open-model.ts'
import { choiceOf, metricsBeside, modelByName } from './common.ts'
import type { AnyMetrics } from '../passes/train/metrics.ts'
import { checkpointIn, isRun, readConfig, type SavedConfig } from './train/run-folder.ts'

type Kind = OpenedWeights<Model>['taken']

export interface WeightsByPath extends Omit<OpenedWeights<Model>, 'weights' | 'taken'> {
  readonly file: string
  /** The weights for compile's `variables`. Without `kind` the flags decide, or else openModel(). */
  readonly weights: (kind?: Kind) => Promise<Uint8Array>
  /** The metadata of an effuse file; empty for other files. */
  readonly metadata: ReadonlyMap<string, string>
  /** The run whose folder has the file; null if there is none. */
  readonly run: SavedConfig | null
  /** The metrics that the module of the user's model exports, if any. */
  readonly metrics: () => Promise<AnyMetrics | undefined>
}

/** Flags for files of weights. */
export interface WeightsFlags {
  readonly format?: string | undefined
  readonly averages?: boolean | undefined
  readonly verify?: boolean | undefined
}

export const noVerifyFlag = ['--no-verify', 'accept a file that has changed since effuse wrote it'] as const

/** Adds --averages, --no-averages and --no-verify. */
export const withWeightsFlags = (command: Command): Command =>
  command
    .option('--averages', 'use the moving averages of the weights')
    .option(
      '--no-averages',
      'use the weights, not their averages; default: the better ones according to the file, else the averages',
    )
    .option(...noVerifyFlag)

/** The options of openModel() for the flags. @throws EffuseError EF601 */
export const openOptionsOf = ({ format, averages, verify }: WeightsFlags): OpenModelOptions => {
  if (format !== undefined) choiceOf('--format', format, formats)
  return { format, verify, weights: averages === undefined ? undefined : averages ? 'averages' : 'raw' }
}

export interface OpenWeightsOptions extends WeightsFlags {
  readonly prefer: 'best' | 'latest'
  /** The user's own model, `./net.js#name`, for weights outside of a run's folder. */
  readonly model?: string | undefined
  /** Height and width, if they differ from the declared ones. */
  readonly size?: number | undefined
}

/** @throws EffuseError EF501 (no such file), EF502 to EF505, EF509 (its content), EF602 (the run's module) */
export const openWeights = async (
  path: string,
  { prefer, model: named, size, ...flags }: OpenWeightsOptions,
): Promise<WeightsByPath> => {
  if (named !== undefined && isVariant(named))
    throw new EffuseError({
      code: 'EF601',
      message: `--model is for your own model, ./net.js#name; weights of EfficientNet contain their model, so ${named} is not needed`,
      hint: 'leave --model out',
    })
  const options = openOptionsOf(flags)
  const file = await checkpointIn(path, prefer)
  const run = (await isRun(dirname(file))) ? await readConfig(dirname(file)) : null
  const metadata = await metadataOf(file)
  const ownModel = named ?? ownModelOf(run, metadata)
  if (ownModel !== undefined && size !== undefined)
    throw new EffuseError({
      code: 'EF601',
      message: '--size is for variants of EfficientNet; your own model declares its size',
    })
  const own = ownModel === undefined ? null : await modelByName(ownModel)
  const open = async (kind: Kind | undefined): Promise<OpenedWeights<Model>> => {
    if (own !== null) return openModel(file, { ...options, weights: kind, model: own })
    const opened = await openModel(file, { ...options, weights: kind, resolution: size })
    return { ...opened, model: opened.model as Model } // every EfficientNet is a Model
  }
  const { weights, taken, ...opened } = await open(options.weights)
  return {
    ...opened,
    ...{ file, metadata, run },
    metrics: async () => (ownModel === undefined ? undefined : metricsBeside(ownModel)),
    weights: async (kind = taken) => (kind === taken ? weights : (await open(kind)).weights),
  }
}

const metadataOf = async (file: string): Promise<ReadonlyMap<string, string>> => {
  const bytes = await readFile(file)
  return recognizeWeights(bytes, file) === 'safetensors' ? readSafetensors(bytes, file).metadata : new Map()
}

/** The module of the run that wrote the file. */
const ownModelOf = (run: SavedConfig | null, metadata: ReadonlyMap<string, string>): string | undefined =>
  run === null || isVariant(run.settings.model) || !metadata.has(trainingKey) || metadata.has(modelKey)
    ? undefined
    : run.settings.model
