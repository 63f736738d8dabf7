/** From a file of weights to a model: effuse's own files say which; others are recognised by names and shapes. */
import { folderNames, readFile } from '#platform'
import { checkHasSome, modelWeights, type WeightsKind } from '../executable/model-weights.ts'
import { readSource, sourceName, type WeightsSource } from '../executable/weights.ts'
import { readVerified, writeOwnFile } from '../io/checksums.ts'
import { fileLabel, quote } from '../io/message-text.ts'
import { cropIn, formatKey, labelsKey, modelKey } from '../io/own-metadata.ts'
import { prefixedAverages } from '../io/prefixed-averages.ts'
import { recognizeWeights } from '../io/recognize.ts'
import { checkpointAmong } from '../io/run-files.ts'
import { readSafetensors, type SafetensorsFile } from '../io/safetensors.ts'
import type { TensorEntry } from '../io/tensor-entry.ts'
import { readTorchCheckpoint } from '../io/torch-checkpoint.ts'
import { type Check, checkRecord, isObject, unchecked, flag, names } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { modelMetadata } from '../ir/metadata.ts'
import type { Model } from '../ir/model.ts'
import { joinPath } from '../ir/places.ts'
import type { Signature } from '../ir/value.ts'
import type { FixedCrop } from '../pixels/box.ts'
import {
  declarationOf,
  type EfficientNet,
  type EfficientNetFeatures,
  type EfficientNetOptions,
  redeclared,
} from './efficientnet.ts'
import { type TimmConfig, timmConfig } from './import/conventions.ts'
import { networksIn } from './import/names.ts'
import { openForeign } from './import/open-foreign.ts'
import { labelsIn, openOwn } from './open-own.ts'
import type { Opened } from './opened.ts'

export interface OpenModelOptions {
  /** Where the weights come from, where the file does not say: 'timm', 'timm-tf', 'torchvision', 'efficientnet-pytorch'. */
  readonly format?: string | undefined
  /** Names of the classes, in order; default: the file's own, or ImageNet's where there are 1000. */
  readonly labels?: readonly string[] | undefined
  /**
   * Of a file that has both, the moving averages or the weights as they are. Default: of a run of effuse's what its last evaluation found
   * better, of others the averages.
   */
  readonly weights?: WeightsKind | undefined
  /** Whether a file of effuse's must be as effuse wrote it, by its checksums. Default true. */
  readonly verify?: boolean | undefined
  /** A path that goes before the names of the weights: that of `apply(model, inputs, { name })` in the caller's own network. */
  readonly under?: string | undefined
}

/** What only an EfficientNet can be asked for. */
interface NetworkOptions {
  /** Height and width of pictures, or [height, width]; default: the file's own, or the variant's. */
  readonly resolution?: EfficientNetOptions['resolution']
}

/** What a file of weights gives for the caller's own network. */
export interface OpenedWeights<M> {
  readonly model: M
  /** safetensors in effuse's names and layouts: for compile's `variables`, or `variables.load`. */
  readonly weights: Uint8Array
  /** Names of the classes, in order; none where there are no classes, or the file does not name them. */
  readonly labels: readonly string[]
  /** How pictures are to be cut, for readImage() and fromPixels(): as the data that the weights were tested with; 'center' where the file does not say. */
  readonly crop: FixedCrop
  /** Which of the weights these are, and which the file has. */
  readonly taken: WeightsKind
  readonly available: readonly WeightsKind[]
  /** What was chosen without being asked, one sentence each. */
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
  /** Without the last layer: for the caller's own network. */
  (
    source: WeightsSource,
    options: OpenModelOptions & NetworkOptions & { readonly model?: undefined; readonly head: false },
  ): Promise<OpenedModel<EfficientNetFeatures>>
  <I extends Signature, O extends Signature>(
    source: WeightsSource,
    options: OpenModelOptions & { readonly model: Model<I, O> },
  ): Promise<OpenedWeights<Model<I, O>>>
}
interface AnyOptions extends OpenModelOptions, NetworkOptions {
  readonly model?: Model | undefined
  readonly head?: boolean | undefined
}

/**
 * Reads a file of weights and declares the model that they belong to: variant, classes, padding, epsilon and normalisation included.
 * Files do not contain the caller's own networks: pass them as the option `model`. What only training needs in a checkpoint is left out.
 * Weights without a last layer open as a headless model; `head: false` leaves the last layer of others out.
 *
 * @param source safetensors (effuse's, timm's, torchvision's), a PyTorch .pth, or in Node the folder of a run: its best checkpoint.
 * @throws EffuseError EF501 (file), EF502 (no weights), EF503, EF504 (corrupt), EF509 (changed since effuse wrote it), EF505 (no
 * EfficientNet, or not known which), EF403 (options).
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
  const opened = await openFile(source, await readSource(source), options)
  const { under } = options
  const result = under === undefined ? opened : { ...opened, weights: weightsUnder(opened.weights, under) }
  if (options.model !== undefined) return result
  const { resolution } = options
  const declared = opened.model as EfficientNet // openFile() made it
  const model = resolution === undefined ? declared : redeclared(declarationOf(declared), { resolution })
  return { ...result, model, resolution: Number(model.inputs.image.shape[1]) }
}) as OpenModel // `model` and `head` decide what comes out

const checks: { readonly [K in keyof Required<AnyOptions>]: Check } = {
  format: ['a name such as timm', (v) => typeof v === 'string'], // conventionsOf() knows which there are
  labels: names,
  weights: ["'averages' or 'raw'", (v) => v === 'averages' || v === 'raw'],
  verify: flag,
  under: ['a path such as backbone', (v) => typeof v === 'string' && v !== '' && !v.startsWith('.')],
  model: ['a model that graph() returned', (v) => isObject(v) && 'at' in v],
  head: flag,
  resolution: unchecked, // efficientNet() checks it
}

/** Of a run's folder its checkpoint. @throws EffuseError EF501 where it has none */
const fileOf = async (source: WeightsSource): Promise<WeightsSource> => {
  const names = typeof source === 'string' ? await folderNames(source) : null
  return names === null ? source : `${String(source)}/${checkpointAmong(names, 'best', String(source))}`
}

const openFile = async (
  source: WeightsSource,
  bytes: Uint8Array,
  options: AnyOptions,
): Promise<Opened<EfficientNet | Model>> => {
  const { model, head, verify, weights: wanted } = options
  const fileName = sourceName(source)
  const part = head !== undefined ? 'head' : options.resolution !== undefined ? 'resolution' : null
  if (model !== undefined && part !== null)
    throw new EffuseError({
      code: 'EF403',
      message: `openModel() takes "${part}" or "model", not both: a network of your own has its own`,
    })
  if (recognizeWeights(bytes, fileName) === 'torch') {
    if (model !== undefined) throw notForOwn(model)
    const { tensors, taken, available, notes } = readTorchCheckpoint(bytes, { fileName, weights: wanted })
    const opened = await openOther(source, tensors, options)
    const whole = { ...opened, taken, available, notes: [...notes, ...opened.notes] }
    return head === false ? withoutHead(whole) : whole
  }
  const file = readVerified(bytes, fileName, verify)
  const unchanged = verify === false ? null : bytes
  if (model !== undefined) {
    checkHasSome(model, file, fileName)
    const labels = options.labels ?? labelsIn(file.metadata) ?? []
    return { model, labels, crop: cropIn(file.metadata), notes: [], ...modelWeights(file, unchanged, model, wanted) }
  }
  const own = openOwn(file, unchanged, options)
  if (own === null && file.metadata.has(formatKey)) checkIsKnown(file, fileName)
  const opened = own ?? (await openFlat(source, file.tensors, options))
  return head === false ? withoutHead(opened) : opened
}

/** A file of effuse that declares no model is of a network of its user's own. @throws EffuseError EF505 where its names are of no other network either */
const checkIsKnown = ({ tensors }: SafetensorsFile, fileName: string | undefined): void => {
  if (networksIn(tensors.keys()).length > 0) return
  throw new EffuseError({
    code: 'EF505',
    message: `${fileLabel(fileName)} was written by effuse for a network of its user's own, which the file does not describe`,
    hint: 'name the network: openModel(file, { model }); on the command line add --model ./net.js#name',
  })
}

/** Safetensors of others are one flat dict: averages, where there are some, stand beside the weights under names of their own. */
const openFlat = async (
  source: WeightsSource,
  tensors: ReadonlyMap<string, TensorEntry>,
  options: AnyOptions,
): Promise<Opened<EfficientNet>> => {
  const { weights: wanted } = options
  const names = [...tensors.keys()]
  const both = prefixedAverages(names)
  if (both === null && wanted === 'averages')
    throw new EffuseError({
      code: 'EF505',
      message: `${fileLabel(sourceName(source))} holds no moving averages`,
      hint: 'leave `weights` out',
    })
  if (both === null) return openOther(source, tensors, options)
  const taken = wanted ?? 'averages'
  const { raw, averages } = both
  const prefix = taken === 'averages' ? averages : raw
  const isTaken = (name: string): boolean => name.startsWith(averages) === (taken === 'averages')
  const part = names.filter(isTaken).flatMap((name) => {
    const entry = tensors.get(name)
    return entry === undefined ? [] : [[name.slice(prefix.length), entry] as const]
  })
  const opened = await openOther(source, new Map(part), options)
  const note = `the file has weights, ${quote(`${raw}*`)}, and their averages, ${quote(`${averages}*`)}; the averages are taken`
  const notes = wanted === undefined ? [note, ...opened.notes] : opened.notes
  return { ...opened, taken, available: ['raw', 'averages'], notes }
}

/** Names alone would not do: PyTorch's kernels have other layouts. */
const notForOwn = ({ name }: Model): EffuseError =>
  new EffuseError({
    code: 'EF502',
    message: `a PyTorch checkpoint does not say which of its tensors go where in ${name}, nor in which layout`,
    hint: 'in Python, rename and transpose them (kernels [KH,KW,C,F], dense [in,out]) and save them with the safetensors library',
  })

const openOther = async (
  source: WeightsSource,
  tensors: ReadonlyMap<string, TensorEntry>,
  { format, labels }: AnyOptions,
): Promise<Opened<EfficientNet>> => {
  const config = typeof source === 'string' ? await configBeside(source) : null
  return openForeign(tensors, { format, fileName: sourceName(source), config }, labels)
}

/** The same weights without the last layer's, and the model that goes with them. */
const withoutHead = (opened: Opened<EfficientNet>): Opened<EfficientNet> => {
  const { options, ...declared } = declarationOf(opened.model)
  const { classes: _c, dropout: _d, ...rest } = options
  const model = redeclared({ ...declared, options: rest }, { head: false })
  const { tensors, metadata } = readSafetensors(opened.weights)
  const kept = [...tensors.values()].filter(({ name }) => !name.startsWith('head/dense/'))
  const { [labelsKey]: _, ...texts } = { ...Object.fromEntries(metadata), ...modelMetadata(model) }
  return { ...opened, model, labels: [], weights: writeOwnFile(kept, texts) }
}

/** Of a part of a network the file says neither model nor classes: they are of the part alone. */
const weightsUnder = (weights: Uint8Array, path: string): Uint8Array => {
  const { tensors, metadata } = readSafetensors(weights)
  const { [modelKey]: _m, [labelsKey]: _l, ...texts } = Object.fromEntries(metadata)
  return writeOwnFile(
    [...tensors.values()].map((entry) => ({ ...entry, name: joinPath(path, entry.name) })),
    texts,
  )
}

/** timm's config.json in the same folder; null where there is none. */
const configBeside = async (path: string): Promise<TimmConfig | null> => {
  try {
    const bytes = await readFile(path.replace(/[^/\\]*$/, 'config.json'))
    return timmConfig(JSON.parse(new TextDecoder().decode(bytes)))
  } catch {
    return null
  }
}
