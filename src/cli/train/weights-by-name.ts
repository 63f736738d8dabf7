/** Weights for a model of one's own: which of its variables a file has, by name and shape, and every difference. */
import { readFile } from '#platform'
import { recognizeWeights } from '../../io/recognize.ts'
import { readSafetensors } from '../../io/safetensors.ts'
import type { TensorEntry } from '../../io/tensor-entry.ts'
import { variablesOf } from '../../ir/graph.ts'
import type { Model } from '../../ir/model.ts'
import { sameShape, showType } from '../../ir/types.ts'
import { familyOf } from '../../models/import/names.ts'
import { openModel, weightsOfRun } from '../../models/open-model.ts'
import { isState } from '../../passes/train/state.ts'
import { trainingKey } from '../../train/checkpoints.ts'

/** Tensors and metadata of a safetensors file. */
export type NamedWeights = ReturnType<typeof readSafetensors>

/** What a file holds; of the families that effuse knows in effuse's names and layouts. @throws EffuseError as openModel() does */
export const namedWeights = async (file: string): Promise<NamedWeights> => {
  const bytes = await readFile(file)
  const own = recognizeWeights(bytes, file) === 'safetensors' ? readSafetensors(bytes, file) : null
  return own !== null && familyOf(new Set(own.tensors.keys())) === null
    ? own
    : readSafetensors((await openModel(file)).weights)
}

export interface Comparison {
  readonly fitting: readonly TensorEntry[]
  /** Variables of the model that the file has not. */
  readonly fresh: readonly string[]
  /** One line for each. */
  readonly differences: readonly string[]
}

/** Of a run's checkpoint the averages count, where its last evaluation found them better. */
export const comparedByName = (model: Model, { tensors, metadata }: NamedWeights): Comparison => {
  const training = metadata.get(trainingKey)
  const given =
    training === undefined
      ? tensors
      : readSafetensors(weightsOfRun(tensors, metadata, model, training, undefined)).tensors
  const variables = variablesOf(model.at({ batch: 1 })).flatMap(({ attrs: { name }, types: [type] }) =>
    type === undefined ? [] : [{ name, type, entry: given.get(name) }],
  )
  const fits = ({ type, entry }: (typeof variables)[number]): boolean =>
    entry !== undefined && sameShape(entry.shape, type.shape)
  const names = new Set(variables.map(({ name }) => name))
  const misfits = variables.filter((variable) => !fits(variable))
  return {
    fitting: variables.flatMap((variable) => (fits(variable) && variable.entry !== undefined ? [variable.entry] : [])),
    fresh: misfits.map(({ name }) => name),
    differences: [
      ...misfits.map(({ name, type, entry }) =>
        entry === undefined
          ? `missing: "${name}" ${showType(type)}`
          : `"${name}" is ${entry.dtype}[${entry.shape.join(',')}] in the file, ${showType(type)} in the model`,
      ),
      ...[...tensors.keys()]
        .filter((name) => !names.has(name) && !(training !== undefined && isState(name)))
        .map((name) => `not in the model: "${name}"`),
    ],
  }
}
