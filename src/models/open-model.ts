/** From a file of weights to a model: effuse's own files say which; others are recognised by names and shapes. */
import { readFile } from '#platform'
import { modelMetadata } from '../executable/metadata.ts'
import { encodeWeights, readSource, sourceName, type WeightsEntry, type WeightsSource } from '../executable/weights.ts'
import { readSafetensors, writeSafetensors } from '../io/safetensors.ts'
import { recognizeWeights } from '../io/recognize.ts'
import { type TensorEntry, toFloat32 } from '../io/tensor-entry.ts'
import { readTorchCheckpoint } from '../io/torch-checkpoint.ts'
import { type Check, checkRecord, isObject } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { variablesOf } from '../ir/graph.ts'
import type { Model } from '../ir/model.ts'
import { sameShape } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'
import {
  type EfficientNet,
  efficientNet,
  type EfficientNetOptions,
  isVariant,
  type Variant,
  variants,
} from './efficientnet.ts'
import { architectureOf } from './efficientnet-variants.ts'
import { imagenetLabels } from './imagenet-labels.ts'
import { conventionsOf, type Hints, timmConfig, type TimmConfig } from './import/conventions.ts'
import { layoutOrder, permuted, permutedShape } from './import/layout.ts'
import { type Family, familyOf, renamingOf } from './import/names.ts'

export interface OpenModelOptions {
  /** Where the weights come from, where the file does not say: 'timm', 'timm-tf', 'torchvision', 'efficientnet-pytorch'. */
  readonly format?: string | undefined
  /** Names of the classes, in order; default: the file's own, or ImageNet's where there are 1000. */
  readonly labels?: readonly string[] | undefined
  /** Of a checkpoint of a training run: the moving averages, or the weights as they are; default: what its last evaluation found better. */
  readonly averages?: boolean | undefined
}

/** What a file of weights gives for a network of one's own. */
export interface OpenedWeights<M> {
  readonly model: M
  /** safetensors in effuse's names and layouts: for compile's `variables`, or `variables.load`. */
  readonly weights: Uint8Array
  /** Names of the classes, in order. */
  readonly labels: readonly string[]
}
export interface OpenedModel extends OpenedWeights<EfficientNet> {
  /** Height and width that the model was declared for. */
  readonly resolution: number
}

interface OpenModel {
  (source: WeightsSource, options?: OpenModelOptions & { readonly model?: undefined }): Promise<OpenedModel>
  <I extends Signature, O extends Signature>(
    source: WeightsSource,
    options: OpenModelOptions & { readonly model: Model<I, O> },
  ): Promise<OpenedWeights<Model<I, O>>>
}

/**
 * Reads a file of weights and declares the model that they belong to: variant, classes, padding, epsilon and normalisation included.
 * Files do not hold networks of one's own: those come as the option `model`, and what only training needs of a checkpoint is left out.
 *
 * @param source safetensors (effuse's, timm's, torchvision's) or a PyTorch .pth; see WeightsSource.
 * @throws EffuseError EF501 (file), EF502 (no weights), EF503, EF504 (corrupt), EF505 (no EfficientNet, or not known which), EF403 (options).
 * @example
 * const { model, weights, labels, resolution } = await openModel('tf_efficientnet_b0.safetensors')
 * const net = await compile(model, { variables: weights })
 */
export const openModel = (async (
  source: WeightsSource,
  options: OpenModelOptions & { readonly model?: Model | undefined } = {},
): Promise<OpenedModel | OpenedWeights<Model>> => {
  checkRecord('openModel()', '', options, checks)
  const bytes = await readSource(source)
  const fileName = sourceName(source)
  const { tensors, metadata } = readTensors(bytes, fileName)
  if (options.model !== undefined) return openWith(options.model, bytes, tensors, metadata, options)
  const own = metadata.get('effuse.model')
  if (own !== undefined) return openOwn(bytes, tensors, metadata, own, options)
  const config = typeof source === 'string' ? await configBeside(source) : null
  return openForeign(tensors, { format: options.format, fileName, config }, options)
}) as OpenModel // `model` decides what comes out

const checks: { readonly [K in keyof Required<OpenModelOptions> | 'model']: Check } = {
  format: ['a name such as timm', (v) => typeof v === 'string'], // conventionsOf() knows which there are
  labels: ['a list of names', (v) => Array.isArray(v) && v.every((name) => typeof name === 'string')],
  averages: ['true or false', (v) => typeof v === 'boolean'],
  model: ['a model that graph() returned', (v) => isObject(v) && 'at' in v],
}

/** Whether they fit the model is seen where they are loaded. */
const openWith = (
  model: Model,
  bytes: Uint8Array,
  tensors: ReadonlyMap<string, TensorEntry>,
  metadata: ReadonlyMap<string, string>,
  options: OpenModelOptions,
): OpenedWeights<Model> => {
  const training = metadata.get('effuse.training')
  return {
    model,
    weights: training === undefined ? bytes : weightsOfRun(tensors, metadata, model, training, options.averages),
    labels: options.labels ?? parseLabels(metadata.get('effuse.labels')) ?? [],
  }
}

const readTensors = (
  bytes: Uint8Array,
  fileName: string | undefined,
): { readonly tensors: ReadonlyMap<string, TensorEntry>; readonly metadata: ReadonlyMap<string, string> } =>
  recognizeWeights(bytes, fileName) === 'safetensors'
    ? readSafetensors(bytes, fileName)
    : { tensors: readTorchCheckpoint(bytes, { fileName }).tensors, metadata: new Map() }

const openOwn = (
  bytes: Uint8Array,
  tensors: ReadonlyMap<string, TensorEntry>,
  metadata: ReadonlyMap<string, string>,
  declaration: string,
  options: OpenModelOptions,
): OpenedModel => {
  const { variant, options: declared } = parseDeclaration(declaration)
  // Metadata is only text: it must not make a model that the tensors beside it cannot fill.
  const [classes] = tensors.get('head/dense/bias')?.shape ?? []
  if (classes !== (declared.classes ?? 1000)) {
    throw new EffuseError({
      code: 'EF505',
      message: `the file's metadata declares ${declared.classes ?? 1000} classes, but "head/dense/bias" has ${classes ?? 'no'} elements`,
      hint: 'the file was put together from parts of others, or damaged',
    })
  }
  const model = efficientNet(variant, declared)
  const training = metadata.get('effuse.training')
  const weights = training === undefined ? bytes : weightsOfRun(tensors, metadata, model, training, options.averages)
  return { model, weights, ...labelled(model, options.labels ?? parseLabels(metadata.get('effuse.labels'))) }
}

/**
 * A checkpoint without what only training needs; the averages under the plain names where they are wanted.
 * @param wanted true: the averages; false: the weights as they are; undefined: what the last evaluation found better.
 * @throws EffuseError EF505 where averages are wanted and there are none
 */
export const weightsOfRun = (
  tensors: ReadonlyMap<string, TensorEntry>,
  metadata: ReadonlyMap<string, string>,
  model: Pick<Model, 'at'>,
  training: string,
  wanted: boolean | undefined,
): Uint8Array => {
  const names = variablesOf(model.at({ batch: 1 })).map((node) => node.attrs.name)
  const hasAverages = names.some((name) => tensors.has(`ema/${name}`))
  if (wanted === true && !hasAverages)
    throw new EffuseError({
      code: 'EF505',
      message: 'the checkpoint holds no moving averages',
      hint: 'it is of a run without emaDecay: leave `averages` out',
    })
  const prefix = hasAverages && (wanted ?? areAveragesBetter(training)) ? 'ema/' : ''
  const entries = names.flatMap((name) => {
    const entry = tensors.get(`${prefix}${name}`)
    return entry === undefined ? [] : [{ ...entry, name }] // what is missing is told when the weights are loaded
  })
  const kept = [...metadata].filter(([key]) => key !== 'effuse.training')
  return writeSafetensors(entries, Object.fromEntries(kept))
}

const areAveragesBetter = (training: string): boolean => {
  const found: unknown = parseJson(training)
  const state: unknown = typeof found === 'object' && found !== null && 'state' in found ? found.state : null
  if (typeof state !== 'object' || state === null || !('top1' in state) || !('emaTop1' in state)) return true
  return typeof state.top1 !== 'number' || typeof state.emaTop1 !== 'number' || state.emaTop1 >= state.top1
}

const parseDeclaration = (text: string): { readonly variant: Variant; readonly options: EfficientNetOptions } => {
  const found: unknown = parseJson(text)
  const { variant, options } =
    typeof found === 'object' && found !== null && 'variant' in found && 'options' in found
      ? found
      : { variant: null, options: null }
  if (typeof variant !== 'string' || !isVariant(variant) || typeof options !== 'object' || options === null) {
    throw new EffuseError({
      code: 'EF505',
      message: `the file's metadata "effuse.model" names no model that this version knows: ${text.slice(0, 200)}`,
      hint: 'was it written by a newer version of effuse?',
    })
  }
  return { variant, options } // efficientNet checks the options
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const parseLabels = (text: string | undefined): readonly string[] | undefined => {
  const found = text === undefined ? null : parseJson(text)
  return Array.isArray(found) && found.every((x): x is string => typeof x === 'string') ? found : undefined
}

const openForeign = (
  tensors: ReadonlyMap<string, TensorEntry>,
  hints: Hints,
  options: OpenModelOptions,
): OpenedModel => {
  const stripped = withoutPrefix(tensors)
  const family = familyOf(new Set(stripped.keys()))
  if (family === null) {
    throw new EffuseError({
      code: 'EF505',
      message: `the weights are of no EfficientNet that effuse knows: names such as ${
        [...stripped.keys()]
          .slice(0, 3)
          .map((n) => `"${n}"`)
          .join(', ') || '(none)'
      }`,
      hint: 'names of timm, torchvision and EfficientNet-PyTorch are known; a network of your own: openModel(file, { model }), or --model ./net.js',
    })
  }
  const entries = converted(stripped, family)
  const classes = entries.get('head/dense/bias')?.type.shape[0] ?? 0
  const inChannels = entries.get('stem/conv/kernel')?.type.shape[2] ?? 0
  const variant = variantOf(entries, { classes, inChannels })
  const model = efficientNet(variant, { classes, inChannels, ...conventionsOf(family, variant, hints) })
  const found = labelled(model, options.labels)
  return {
    model,
    weights: encodeWeights(entries.values(), {
      ...modelMetadata(model),
      'effuse.labels': JSON.stringify(found.labels),
    }),
    ...found,
  }
}

/** What DataParallel puts in front of every name. */
const withoutPrefix = (tensors: ReadonlyMap<string, TensorEntry>): ReadonlyMap<string, TensorEntry> =>
  [...tensors.keys()].every((name) => name.startsWith('module.'))
    ? new Map([...tensors].map(([name, entry]) => [name.slice('module.'.length), entry]))
    : tensors

const converted = (tensors: ReadonlyMap<string, TensorEntry>, family: Family): ReadonlyMap<string, WeightsEntry> => {
  const rename = renamingOf(family, new Set(tensors.keys()))
  const entries = new Map<string, WeightsEntry>()
  const unknown: string[] = []
  for (const [name, entry] of tensors) {
    const ours = rename(name)
    if (ours === undefined) unknown.push(name)
    if (ours === undefined || ours === null) continue
    const order = layoutOrder(ours, entry.shape.length)
    entries.set(ours, {
      name: ours,
      type: { dtype: 'float32', shape: permutedShape(entry.shape, order) },
      data: permuted(toFloat32(entry), entry.shape, order),
    })
  }
  if (unknown.length > 0) {
    throw new EffuseError({
      code: 'EF505',
      message: `${unknown.length} tensors have no place in an EfficientNet: ${unknown.slice(0, 10).join(', ')}${unknown.length > 10 ? ` and ${unknown.length - 10} more` : ''}`,
    })
  }
  return entries
}

/** The one variant whose variables have exactly these names and shapes. */
const variantOf = (
  entries: ReadonlyMap<string, WeightsEntry>,
  { classes, inChannels }: { readonly classes: number; readonly inChannels: number },
): Variant => {
  const blocks = new Set([...entries.keys()].flatMap((name) => /^blocks\.\d+/.exec(name)?.[0] ?? [])).size
  const candidates = variants.filter(
    (v) => architectureOf(v).blocks.reduce((sum, row) => sum + row.repeats, 0) === blocks,
  )
  let nearest: { readonly variant: Variant; readonly faults: readonly string[] } | null = null
  for (const variant of classes > 0 && inChannels > 0 ? candidates : []) {
    const faults = differences(efficientNet(variant, { classes, inChannels, normalize: false }), entries)
    if (faults.length === 0) return variant
    if (nearest === null || faults.length < nearest.faults.length) nearest = { variant, faults }
  }
  throw new EffuseError({
    code: 'EF505',
    message:
      nearest === null
        ? `the weights fit no variant: ${blocks} blocks, ${classes} classes`
        : `the weights fit no variant; nearest is ${nearest.variant}, with ${nearest.faults.length} differences:\n  ${nearest.faults.slice(0, 12).join('\n  ')}`,
    hint: `effuse knows ${variants.join(', ')}`,
  })
}

const differences = (model: EfficientNet, entries: ReadonlyMap<string, WeightsEntry>): readonly string[] => {
  const faults: string[] = []
  const wanted = new Set<string>()
  for (const {
    attrs: { name },
    types: [type],
  } of variablesOf(model.at({ batch: 1 }))) {
    wanted.add(name)
    const entry = entries.get(name)
    if (entry === undefined) faults.push(`missing: ${name}`)
    else if (type !== undefined && !sameShape(entry.type.shape, type.shape))
      faults.push(`${name} is [${entry.type.shape.join(',')}], expected [${type.shape.join(',')}]`)
  }
  for (const name of entries.keys()) if (!wanted.has(name)) faults.push(`not in the model: ${name}`)
  return faults
}

const labelled = (
  model: EfficientNet,
  given: readonly string[] | undefined,
): { readonly labels: readonly string[]; readonly resolution: number } => {
  const classes = Number(model.outputs.logits.shape[1])
  const labels =
    given ??
    (classes === imagenetLabels.length ? imagenetLabels : Array.from({ length: classes }, (_, i) => `class ${i}`))
  if (labels.length !== classes)
    throw new EffuseError({ code: 'EF403', message: `${labels.length} labels for ${classes} classes` })
  return { labels, resolution: Number(model.inputs.image.shape[1]) }
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
