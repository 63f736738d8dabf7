/** Opens a file of weights as a model: the public function and what it returns. */
import { folderNames } from '#platform'
import type { WeightsKind } from '../executable/model-weights.ts'
import { readSource, type WeightsSource } from '../executable/weights-source.ts'
import { checkpointAmong } from '../io/run-files.ts'
import { checkRecord } from '../ir/check-record.ts'
import type { Model } from '../ir/model.ts'
import { shownAs } from '../ir/shown.ts'
import type { Signature } from '../ir/value.ts'
import type { FixedCrop } from '../pixels/box.ts'
import { declarationOf, type EfficientNet, type EfficientNetFeatures, redeclared } from './efficientnet.ts'
import { type AnyOptions, checks, type NetworkOptions, type OpenModelOptions } from './open-options.ts'

export type { OpenModelOptions }

/** A file of weights, opened for the caller's own network. */
export interface OpenedWeights<M> {
  readonly model: M
  /** safetensors in effuse's names and layouts: for compile's `variables`, or `variables.load`. */
  readonly weights: Uint8Array
  /** Names of the classes, in order; empty if there are no classes or the file does not name them. */
  readonly labels: readonly string[]
  /** The crop for readImage() and fromPixels(): the one that the weights were evaluated with, or 'center' if the file does not say. */
  readonly crop: FixedCrop
  /** Which of the file's weights these are. */
  readonly taken: WeightsKind
  /** Which weights the file has. */
  readonly available: readonly WeightsKind[]
  /** Choices that openModel() made by itself, one sentence each. */
  readonly notes: readonly string[]
}
export interface OpenedModel<M = EfficientNet> extends OpenedWeights<M> {
  /** Height and width that the model was declared for. */
  readonly resolution: number
}

interface OpenModel {
  (
    source: WeightsSource,
    options?: OpenModelOptions & NetworkOptions & { readonly model?: undefined; readonly head?: true | undefined },
  ): Promise<OpenedModel>
  /** Without the last layer, as a part of the caller's own network. */
  (
    source: WeightsSource,
    options: OpenModelOptions & NetworkOptions & { readonly model?: undefined; readonly head: false },
  ): Promise<OpenedModel<EfficientNetFeatures>>
  <I extends Signature, O extends Signature>(
    source: WeightsSource,
    options: OpenModelOptions & { readonly model: Model<I, O> },
  ): Promise<OpenedWeights<Model<I, O>>>
}
/**
 * Reads a file of weights and declares the model that they belong to: variant, classes, padding, epsilon and normalisation included.
 * Files do not describe the caller's own networks: pass them as the option `model`. A checkpoint's training state is left out.
 * Weights without a last layer open as a headless model; `head: false` leaves out the last layer of other weights.
 *
 * @param source safetensors (effuse's, timm's, torchvision's), a PyTorch .pth, or in Node the folder of a run: its best checkpoint.
 * @throws EffuseError EF501 (file), EF502 (no weights), EF503, EF504 (corrupt), EF509 (changed since effuse wrote it), EF505 (not an
 * EfficientNet, or an unknown one), EF403 (options).
 * @example
 * const { model, weights, labels, resolution } = await openModel('tf_efficientnet_b0.safetensors')
 * const net = await compile(model, { variables: weights })
 */
export const openModel = (async (
  given: WeightsSource,
  options: AnyOptions = {},
): Promise<OpenedModel | OpenedWeights<Model>> => {
  checkRecord('openModel()', '', options, checks)
  const source = await fileOf(given)
  const bytes = await readSource(source)
  // Loaded on demand: a page that trains its own network opens no file.
  const { openFile } = await import('./open-file.ts')
  const result = await openFile(source, bytes, options)
  if (options.model !== undefined) return shownAs(result, () => lineOf(result))
  const { resolution } = options
  const declared = result.model as EfficientNet // openFile() made it
  const model = resolution === undefined ? declared : redeclared(declarationOf(declared), { resolution })
  const whole = { ...result, model, resolution: Number(model.inputs.image.shape[1]) }
  return shownAs(whole, () => lineOf(whole))
}) as OpenModel // `model` and `head` decide the type of the result

const lineOf = ({ model, labels, taken, weights }: OpenedWeights<Model>): string =>
  `Opened "${model.name}": ${taken === 'averages' ? 'averaged weights' : 'weights'} of ${weights.length} bytes, ${labels.length === 0 ? 'no labels' : `${labels.length} labels`}; compile(opened.model, { variables: opened.weights }) makes it run`

/** The best checkpoint of a run's folder; any other source as it is. @throws EffuseError EF501 if the folder has no checkpoint */
const fileOf = async (source: WeightsSource): Promise<WeightsSource> => {
  const names = typeof source === 'string' ? await folderNames(source) : null
  return names === null ? source : `${String(source)}/${checkpointAmong(names, 'best', String(source))}`
}
