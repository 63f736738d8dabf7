/** The weights that a new run starts from. Files of EfficientNet contain the variant; for the user's own model, names of tensors and variables must agree. */
import { readFile } from '#platform'
import { compile } from '../../compile.ts'
import { writeSafetensors, readSafetensors, type SafetensorsFile } from '../../io/safetensors.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { listed } from '../../ir/listed.ts'
import type { Model } from '../../ir/model.ts'
import { declarationOf, isVariant } from '../../models/efficientnet.ts'
import { openModel, type OpenModelOptions } from '../../models/open-model.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import { recipeCompileOptions } from '../../recipes/run.ts'
import type { FitOptions } from '../../train/fit-options.ts'
import { checkpointIn } from './run-folder.ts'
import { modelWeights } from '../../executable/model-weights.ts'
import { readVerified } from '../../io/checksums.ts'
import { recognizeWeights } from '../../io/recognize.ts'
import type { TensorEntry } from '../../io/tensor-entry.ts'
import { variablesOf } from '../../ir/graph.ts'
import { sameShape, showType } from '../../ir/types.ts'
import { networksIn } from '../../models/import/names.ts'

export interface StartWeights {
  /** Settings that the file determines: variant, padding, normalisation and others that its weights were trained with. */
  readonly settings: Partial<Pick<Recipe, 'model' | 'architecture'>>
  readonly variables: (model: Model, recipe: Recipe) => Promise<Start>
}

export interface Start extends Disposable {
  readonly variables: NonNullable<FitOptions['variables']>
  /** Notes on the choice of weights, and on variables that do not come from the file. */
  readonly notes: readonly string[]
}

/**
 * Reads a file, or the best checkpoint of a run's folder.
 * @param wanted The model that the run names; undefined if it names none.
 * @throws EffuseError EF505 if the file is of another variant, and errors of openModel().
 */
export const openStartWeights = async (
  path: string,
  wanted: string | undefined,
  options: OpenModelOptions = {},
): Promise<StartWeights> => {
  const file = await checkpointIn(path, 'best')
  return wanted === undefined || isVariant(wanted) ? ofVariant(file, wanted, options) : byName(file, options)
}

const headNames = ['head/dense/kernel', 'head/dense/bias']

/** The weights determine variant, padding, epsilon and normalisation; with other values they would be useless. */
const ofVariant = async (file: string, wanted: string | undefined, how: OpenModelOptions): Promise<StartWeights> => {
  const opened = await openModel(file, how)
  const { variant, options } = declarationOf(opened.model)
  if (wanted !== undefined && wanted !== variant)
    throw new EffuseError({
      code: 'EF505',
      message: `${file} has weights of ${variant}, but the run trains ${wanted}`,
      hint: `leave --model out, or give --model ${variant}`,
    })
  const { classes: _c, resolution: _r, dropout: _d, stochasticDepth: _s, head: _h, taps: _t, ...architecture } = options
  return {
    settings: { model: variant, architecture },
    variables: async (model, recipe) => {
      const had = options.classes
      const has = model.outputs['logits']?.shape[1]
      const { weights, notes } = opened
      if (had === has) return { variables: weights, notes, [Symbol.dispose]: () => {} }
      const told = had === undefined ? 'the weights have no last layer' : `the weights have ${had} classes`
      const note = `${told} and the data has ${has} classes: ${headNames.join(' and ')} get initial values`
      return started(model, recipe, { weights, fresh: headNames, notes: [...notes, note] })
    },
  }
}

/** Takes the weights whose names are in the model. Other variables get initial values. */
const byName = async (file: string, how: OpenModelOptions): Promise<StartWeights> => {
  const found = await namedWeights(file, how)
  return {
    settings: {},
    variables: async (model, recipe) => {
      const { fitting, fresh, differences } = comparedByName(model, found, how.weights)
      if (fitting.length === 0)
        throw new EffuseError({
          code: 'EF505',
          message: `${file} has no weights for ${model.name}:${listed(differences)}`,
          hint: 'a tensor is loaded into the variable with the same name and shape',
        })
      const count = fitting.length + fresh.length
      const notes =
        differences.length === 0
          ? []
          : [
              `${file} fits ${fitting.length} of ${count} variables; the others get initial values:${listed(differences)}`,
            ]
      return started(model, recipe, { weights: writeSafetensors(fitting, {}), fresh, notes })
    },
  }
}

/** Initial values, replaced by those of the file. */
const started = async (
  model: Model,
  recipe: Recipe,
  {
    weights,
    fresh,
    notes,
  }: { readonly weights: Uint8Array; readonly fresh: readonly string[]; readonly notes: readonly string[] },
): Promise<Start> => {
  const net = await compile(model, recipeCompileOptions(recipe))
  try {
    await net.variables.load(weights, { except: fresh })
  } catch (error) {
    net.dispose()
    throw error
  }
  return { variables: net.variables, notes, [Symbol.dispose]: () => net.dispose() }
}

/** The tensors of a file; those of known families in effuse's names and layouts. @throws EffuseError as openModel() */
export const namedWeights = async (file: string, options: OpenModelOptions): Promise<SafetensorsFile> => {
  const bytes = await readFile(file)
  const own = recognizeWeights(bytes, file) === 'safetensors' ? readVerified(bytes, file, options.verify) : null
  return own !== null && networksIn(own.tensors.keys()).length === 0
    ? own
    : readSafetensors((await openModel(file, options)).weights)
}

export interface Comparison {
  readonly fitting: readonly TensorEntry[]
  /** Variables of the model that are not in the file. */
  readonly fresh: readonly string[]
  /** One line for each. */
  readonly differences: readonly string[]
}

/** Compares the model with a file, without the state of training. @param kind undefined: in a run's checkpoint those that its last evaluation found better */
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
