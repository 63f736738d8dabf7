/** Opens files that other programs wrote. Loaded on demand: effuse's own files need none of it. */
import { readFile } from '#platform'
import { sourceName, type WeightsSource } from '../executable/weights-source.ts'
import { fileLabel, quote } from '../io/message-text.ts'
import { formatKey } from '../io/own-metadata.ts'
import { prefixedAverages } from '../io/prefixed-averages.ts'
import { recognizeWeights } from '../io/recognize.ts'
import type { SafetensorsFile } from '../io/safetensors.ts'
import type { TensorEntry } from '../io/tensor-entry.ts'
import { readTorchCheckpoint } from '../io/torch-checkpoint.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import type { EfficientNet } from './efficientnet.ts'
import { type TimmConfig, timmConfig } from './import/conventions.ts'
import { networksIn } from './import/names.ts'
import { openForeign } from './import/open-foreign.ts'
import type { AnyOptions } from './open-options.ts'
import type { Opened } from './opened.ts'

/** A PyTorch checkpoint; null if the bytes are safetensors. @throws EffuseError EF502 for any other content, EF504, EF505 */
export const openTorch = async (
  source: WeightsSource,
  bytes: Uint8Array,
  options: AnyOptions,
): Promise<Opened<EfficientNet> | null> => {
  const { model, weights } = options
  const fileName = sourceName(source)
  if (recognizeWeights(bytes, fileName) === 'safetensors') return null
  if (model !== undefined) throw notForOwn(model)
  const { tensors, taken, available, notes } = readTorchCheckpoint(bytes, { fileName, weights })
  const opened = await openOther(source, tensors, options)
  return { ...opened, taken, available, notes: [...notes, ...opened.notes] }
}

/** Files of users' own networks declare no model. @throws EffuseError EF505 if the names belong to no other known network either */
const checkIsKnown = ({ tensors }: SafetensorsFile, fileName: string | undefined): void => {
  if (networksIn(tensors.keys()).length > 0) return
  throw new EffuseError({
    code: 'EF505',
    message: `${fileLabel(fileName)} was written by effuse for a user's own network, which the file does not describe`,
    hint: 'name the network: openModel(file, { model }); on the command line add --model ./net.js#name',
  })
}

/** Other programs write safetensors as one flat dict. Averages, if any, are beside the weights under a prefix of their own. @throws EffuseError EF505 */
export const openFlat = async (
  source: WeightsSource,
  file: SafetensorsFile,
  options: AnyOptions,
): Promise<Opened<EfficientNet>> => {
  if (file.metadata.has(formatKey)) checkIsKnown(file, sourceName(source))
  const { tensors } = file
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
  const note = `the file has weights, ${quote(`${raw}*`)}, and their averages, ${quote(`${averages}*`)}; effuse uses the averages`
  const notes = wanted === undefined ? [note, ...opened.notes] : opened.notes
  return { ...opened, taken, available: ['raw', 'averages'], notes }
}

/** Matching names would not be enough: PyTorch's kernels have other layouts. */
const notForOwn = ({ name }: Model): EffuseError =>
  new EffuseError({
    code: 'EF502',
    message: `a PyTorch checkpoint does not say which tensor belongs to which variable of ${name}, nor its layout`,
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

/** timm's config.json in the same folder; null if there is none. */
const configBeside = async (path: string): Promise<TimmConfig | null> => {
  try {
    const bytes = await readFile(path.replace(/[^/\\]*$/, 'config.json'))
    return timmConfig(JSON.parse(new TextDecoder().decode(bytes)))
  } catch {
    return null
  }
}
