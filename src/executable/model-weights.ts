/** Selects the variables of a model from saved ones: raw or averaged, without the state of training. */
import { EffuseError } from '../ir/diagnostics.ts'
import { variablesOf } from '../ir/graph.ts'
import { shortList } from '../ir/listed.ts'
import type { Model } from '../ir/model.ts'
import { writeOwnFile } from '../io/checksums.ts'
import { fileLabel, quote } from '../io/message-text.ts'
import { trainingKey } from '../io/own-metadata.ts'
import type { SafetensorsFile } from '../io/safetensors.ts'
import { averagePrefix } from '../passes/train/moving-averages.ts'
import { isState } from '../passes/train/state.ts'

/** 'raw': the weights after the last update; 'averages': their moving averages. */
export type WeightsKind = 'raw' | 'averages'

export interface ModelWeights {
  /** safetensors, for compile's `variables`. */
  readonly weights: Uint8Array
  /** Which of the file's weights these are. */
  readonly taken: WeightsKind
  /** Which weights the file has. */
  readonly available: readonly WeightsKind[]
}

/**
 * The weights for `model` from a file. Leaves out slots and other state of training, and puts averages under the plain names.
 *
 * @param bytes The unchanged file, which is returned if it has nothing else; null if it must not be returned.
 * @param wanted undefined: those that the last evaluation of the run found better, or the averages if there was none.
 * @throws EffuseError EF505 if averages are wanted and the file has none
 */
export const modelWeights = (
  file: SafetensorsFile,
  bytes: Uint8Array | null,
  model: Pick<Model, 'at'>,
  wanted: WeightsKind | undefined,
): ModelWeights => {
  const { tensors, metadata } = file
  const names = variablesOf(model.at({ batch: 1 })).map((node) => node.attrs.name)
  const own = new Set(names)
  const others = [...tensors.keys()].filter((name) => !own.has(name))
  const averaged = (name: string): string => `${averagePrefix}${name}`
  const available: readonly WeightsKind[] = names.some((name) => tensors.has(averaged(name)))
    ? ['raw', 'averages']
    : ['raw']
  if (wanted !== undefined && !available.includes(wanted))
    throw new EffuseError({
      code: 'EF505',
      message: 'the checkpoint has no moving averages',
      hint: 'it is from a run without emaDecay, or has only the averages: leave `weights` out',
    })
  const taken = wanted ?? (available.length === 2 && areAveragesBetter(metadata.get(trainingKey)) ? 'averages' : 'raw')
  if (bytes !== null && !others.some(isState)) return { weights: bytes, taken, available }
  const entries = names.flatMap((name) => {
    const average = taken === 'averages' ? tensors.get(averaged(name)) : undefined
    const entry = average ?? tensors.get(name) // integers have no averages
    return entry === undefined ? [] : [{ ...entry, name }] // loading the weights reports what is missing
  })
  // Loading also reports tensors that belong to no variable.
  const surplus = others.flatMap((name) => (isState(name) ? [] : (tensors.get(name) ?? [])))
  const kept = [...metadata].filter(([key]) => key !== trainingKey)
  return { weights: writeOwnFile([...entries, ...surplus], Object.fromEntries(kept)), taken, available }
}

/** Rejects weights of another network, which have none of the variables. Loading reports single missing ones. @throws EffuseError EF505 */
export const checkHasSome = (
  model: Pick<Model, 'at' | 'name'>,
  { tensors }: SafetensorsFile,
  fileName: string | undefined,
): void => {
  const names = variablesOf(model.at({ batch: 1 })).map((node) => node.attrs.name)
  if (names.length === 0 || names.some((name) => tensors.has(name) || tensors.has(`${averagePrefix}${name}`))) return
  const plain = [...tensors.keys()].filter((name) => !isState(name))
  const quoted = (list: readonly string[]): string =>
    shortList(
      list.map((name) => quote(name)),
      3,
    )
  throw new EffuseError({
    code: 'EF505',
    message: `${fileLabel(fileName)} has no weights for ${model.name}: its tensors are ${quoted(plain.length > 0 ? plain : [...tensors.keys()])}, and the variables of the model are ${quoted(names)}`,
    hint: 'a tensor is loaded into the variable with the same name; the names of applied models come before those of their layers',
  })
}

const areAveragesBetter = (training: string | undefined): boolean => {
  const state = fieldOf(parsed(training), 'state')
  const [top1, emaTop1] = [fieldOf(state, 'top1'), fieldOf(state, 'emaTop1')]
  return typeof top1 !== 'number' || typeof emaTop1 !== 'number' || emaTop1 >= top1
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown })[name] : undefined // true of every object

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
