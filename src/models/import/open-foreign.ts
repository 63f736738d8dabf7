/** Opens weights of other libraries: finds the EfficientNet that they belong to, and converts them to effuse's names and layouts. */
import { encodeWeights, type WeightsEntry } from '../../executable/weights.ts'
import { fileLabel } from '../../io/message-text.ts'
import { labelsKey } from '../../io/own-metadata.ts'
import { type TensorEntry, toFloat32 } from '../../io/tensor-entry.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { variablesOf } from '../../ir/graph.ts'
import { modelMetadata } from '../../ir/metadata.ts'
import { sameShape } from '../../ir/types.ts'
import {
  type EfficientNet,
  type EfficientNetOptions,
  type EfficientNetParts,
  redeclared,
  type Variant,
  variants,
} from '../efficientnet.ts'
import { architectureOf } from '../efficientnet-variants.ts'
import { labelsFor } from '../labels.ts'
import type { Opened } from '../opened.ts'
import { conventionsOf, type Hints } from './conventions.ts'
import { layoutOrder, permuted, permutedShape } from './layout.ts'
import { type Family, type NetworkPlace, networksIn, renamingOf, splitAt } from './names.ts'
import { listed, shortList } from '../../ir/listed.ts'

/** Finds the model by the weights' names and shapes and by the hints. @throws EffuseError EF505, EF403 */
export const openForeign = async (
  tensors: ReadonlyMap<string, TensorEntry>,
  hints: Hints,
  given: readonly string[] | undefined,
): Promise<Opened<EfficientNet>> => {
  const { family, prefix } = onlyNetwork(tensors, hints.fileName)
  const { inside, outside } = splitAt(tensors, prefix)
  const entries = converted(inside, family)
  // Feature extractors are saved without the last layer.
  const isHeadless = ![...entries.keys()].some((name) => name.startsWith('head/dense/'))
  const classes = entries.get('head/dense/bias')?.type.shape[0] ?? 0
  const inChannels = entries.get('stem/conv/kernel')?.type.shape[2] ?? 0
  const parts = isHeadless ? { inChannels, head: false as const } : { inChannels, classes }
  const variant = variantOf(entries, parts)
  const model = redeclared({ family: 'efficientnet', variant, options: parts }, conventionsOf(family, variant, hints))
  const { labels, notes: labelNotes } = await labelsOf(classes, given, hints)
  const notes = [...outsideNotes(prefix, outside), ...labelNotes]
  const names = isHeadless ? {} : { [labelsKey]: JSON.stringify(labels) }
  const weights = encodeWeights(entries.values(), { ...modelMetadata(model), ...names })
  return { model, weights, labels, crop: 'center', notes, taken: 'raw', available: ['raw'] }
}

/** The only network in the file. @throws EffuseError EF505 if the file has none or several */
const onlyNetwork = (tensors: ReadonlyMap<string, TensorEntry>, fileName: string | undefined): NetworkPlace => {
  const places = networksIn(tensors.keys())
  const [place] = places
  if (place === undefined)
    throw new EffuseError({
      code: 'EF505',
      message: `the weights in ${fileLabel(fileName)} are not of an EfficientNet that effuse knows: their names are ${shownNames([...tensors.keys()])}`,
      hint: 'effuse knows the names of timm, torchvision and EfficientNet-PyTorch; for your own network use openModel(file, { model }) or --model ./net.js',
    })
  if (places.length === 1) return place
  const prefixes = places.map(({ prefix }) => prefix)
  const example = prefixes.find((prefix) => prefix !== '') ?? ''
  throw new EffuseError({
    code: 'EF505',
    message: `${fileLabel(fileName)} holds ${places.length} networks; their names begin with ${shownNames(prefixes)}`,
    hint: `save one of them alone: {k: v for k, v in state_dict.items() if k.startswith(${JSON.stringify(example)})}`,
  })
}

const outsideNotes = (prefix: string, outside: readonly string[]): readonly string[] =>
  outside.length === 0 ? [] : [`names of the network begin with "${prefix}"; left out: ${shownNames(outside)}`]

const shownNames = (names: readonly string[]): string =>
  shortList(
    names.map((name) => JSON.stringify(name)),
    3,
  )

/** The labels: the caller's, or those of timm's config.json. */
const labelsOf = async (
  classes: number,
  given: readonly string[] | undefined,
  { config }: Hints,
): Promise<Pick<Opened<EfficientNet>, 'labels' | 'notes'>> => {
  const named = config?.labels
  if (given !== undefined || named === undefined || named.length === classes)
    return { labels: await labelsFor(classes, given ?? named), notes: [] }
  const note = `config.json names ${named.length} classes, but the weights have ${classes}: its names are not used`
  return { labels: await labelsFor(classes, undefined), notes: [note] }
}

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
      message: `${unknown.length} tensors do not belong to an EfficientNet: ${shortList(unknown, 10)}`,
    })
  }
  return entries
}

/** The variant whose variables have exactly these names and shapes. */
const variantOf = (
  entries: ReadonlyMap<string, WeightsEntry>,
  parts: EfficientNetOptions & EfficientNetParts & { readonly inChannels: number },
): Variant => {
  const blocks = new Set([...entries.keys()].flatMap((name) => /^blocks\.\d+/.exec(name)?.[0] ?? [])).size
  const candidates = variants.filter(
    (v) => architectureOf(v).blocks.reduce((sum, row) => sum + row.repeats, 0) === blocks,
  )
  let nearest: { readonly variant: Variant; readonly faults: readonly string[] } | null = null
  for (const variant of parts.classes !== 0 && parts.inChannels > 0 ? candidates : []) {
    const model = redeclared({ family: 'efficientnet', variant, options: parts }, { normalize: false })
    const faults = differences(model, entries)
    if (faults.length === 0) return variant
    if (nearest === null || faults.length < nearest.faults.length) nearest = { variant, faults }
  }
  throw new EffuseError({
    code: 'EF505',
    message:
      nearest === null
        ? `the weights fit no variant: ${blocks} blocks, ${parts.classes ?? 'no'} classes`
        : `the weights fit no variant; nearest is ${nearest.variant}, with ${nearest.faults.length} differences:${listed(nearest.faults)}`,
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
