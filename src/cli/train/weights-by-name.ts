/** Weights for a model of one's own: which of its variables a file has, by name and shape, and every difference. */
import { readFile } from '#platform'
import { modelWeights } from '../../executable/model-weights.ts'
import { readVerified } from '../../io/checksums.ts'
import { recognizeWeights } from '../../io/recognize.ts'
import { readSafetensors, type SafetensorsFile } from '../../io/safetensors.ts'
import type { TensorEntry } from '../../io/tensor-entry.ts'
import { variablesOf } from '../../ir/graph.ts'
import type { Model } from '../../ir/model.ts'
import { sameShape, showType } from '../../ir/types.ts'
import { familyOf, withoutWrappers } from '../../models/import/names.ts'
import { openModel, type OpenModelOptions } from '../../models/open-model.ts'

/** What a file holds; of the families that effuse knows in effuse's names and layouts. @throws EffuseError as openModel() does */
export const namedWeights = async (file: string, options: OpenModelOptions): Promise<SafetensorsFile> => {
  const bytes = await readFile(file)
  const own = recognizeWeights(bytes, file) === 'safetensors' ? readVerified(bytes, file, options.verify) : null
  return own !== null && familyOf(new Set(withoutWrappers(own.tensors).keys())) === null
    ? own
    : readSafetensors((await openModel(file, options)).weights)
}

export interface Comparison {
  readonly fitting: readonly TensorEntry[]
  /** Variables of the model that the file has not. */
  readonly fresh: readonly string[]
  /** One line for each. */
  readonly differences: readonly string[]
}

/** Without what only training needs. @param kind undefined: of a run's checkpoint what its last evaluation found better */
export const comparedByName = (model: Model, found: SafetensorsFile, kind: OpenModelOptions['weights']): Comparison => {
  const { tensors: given } = readSafetensors(modelWeights(found, null, model, kind).weights)
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
      ...[...given.keys()].filter((name) => !names.has(name)).map((name) => `not in the model: "${name}"`),
    ],
  }
}
