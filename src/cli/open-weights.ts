/** Weights by path for the commands that use them: a file, or a run's folder; the model comes with them, or from the run's own module. */
import { dirname } from 'node:path'
import { readFile } from '#platform'
import { modelMetadata } from '../executable/metadata.ts'
import { recognizeWeights } from '../io/recognize.ts'
import { readSafetensors } from '../io/safetensors.ts'
import type { TensorEntry } from '../io/tensor-entry.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import {
  type EfficientNet,
  type EfficientNetOptions,
  efficientNet,
  isVariant,
  type Variant,
} from '../models/efficientnet.ts'
import { formats } from '../models/import/conventions.ts'
import { openModel, weightsOfRun } from '../models/open-model.ts'
import { labelsKey, trainingKey } from '../train/checkpoints.ts'
import { choiceOf, modelByName } from './common.ts'
import { checkpointIn, isRun, readConfig, type SavedConfig } from './train/run-folder.ts'

export interface OpenedWeights {
  readonly file: string
  /** Pictures `image` to `logits`, and of EfficientNets `probabilities`. */
  readonly model: Model
  /** Names of the classes; empty where the file has none. */
  readonly labels: readonly string[]
  readonly hasAverages: boolean
  /** For compile's `variables`: the averages, the weights as they are, or (undefined) what the last evaluation found better. */
  readonly weights: (averages?: boolean) => Promise<Uint8Array>
  /** Of an effuse file; empty for others. */
  readonly metadata: ReadonlyMap<string, string>
  /** The run that the file lies in, null where it lies in none. */
  readonly run: SavedConfig | null
}

export interface OpenWeightsOptions {
  readonly prefer: 'best' | 'latest'
  readonly format?: string | undefined
  /** One's own model, `./net.js#name`, of weights that lie in no run's folder. */
  readonly model?: string | undefined
  /** Height and width, where they are to be others than the model was declared for. */
  readonly size?: number | undefined
}

/** @throws EffuseError EF501 (no such file), EF502 to EF505 (what it holds), EF602 (the run's module). */
export const openWeights = async (
  path: string,
  { prefer, format, model: named, size }: OpenWeightsOptions,
): Promise<OpenedWeights> => {
  if (named !== undefined && isVariant(named))
    throw new EffuseError({
      code: 'EF601',
      message: `--model is for your own, ./net.js#name; weights of EfficientNet say themselves that they are of ${named}, or of another`,
      hint: 'leave --model out',
    })
  if (format !== undefined) choiceOf('--format', format, formats)
  const file = await checkpointIn(path, prefer)
  const bytes = await readFile(file)
  const isOwn = recognizeWeights(bytes, file) === 'safetensors'
  const { tensors, metadata } = isOwn ? readSafetensors(bytes, file) : { tensors: noTensors, metadata: noMetadata }
  const run = (await isRun(dirname(file))) ? await readConfig(dirname(file)) : null
  const common = { file, metadata, run, hasAverages: [...tensors.keys()].some((name) => name.startsWith('ema/')) }
  const training = metadata.get(trainingKey)
  const ownModel =
    named ?? (training !== undefined && run !== null && !isVariant(run.settings.model) ? run.settings.model : undefined)
  if (ownModel !== undefined) {
    if (size !== undefined)
      throw new EffuseError({
        code: 'EF601',
        message: '--size is for variants of EfficientNet; your own model has its own',
      })
    const model = await modelByName(ownModel)
    const labels: readonly string[] = JSON.parse(metadata.get(labelsKey) ?? '[]') // as fit() writes it
    const weights = (averages?: boolean): Promise<Uint8Array> =>
      Promise.resolve(training === undefined ? bytes : weightsOfRun(tensors, metadata, model, training, averages))
    return { ...common, model, labels, weights }
  }
  const opened = await openModel(file, { format })
  return {
    ...common,
    model: size === undefined ? opened.model : resized(opened.model, size),
    labels: opened.labels,
    weights: async (averages) =>
      averages === undefined ? opened.weights : (await openModel(file, { format, averages })).weights,
  }
}

const noTensors: ReadonlyMap<string, TensorEntry> = new Map()
const noMetadata: ReadonlyMap<string, string> = new Map()

const resized = (model: EfficientNet, resolution: number): EfficientNet => {
  const { variant, options }: { readonly variant: Variant; readonly options: EfficientNetOptions } = JSON.parse(
    modelMetadata(model)['effuse.model'] ?? '{}',
  ) // as efficientNet() writes it
  return efficientNet(variant, { ...options, resolution })
}
