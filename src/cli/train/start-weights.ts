/** Weights that a new run starts from: of the variants of EfficientNet the file says which, of one's own model names say what goes where. */
import { compile } from '../../compile.ts'
import { modelMetadata } from '../../executable/metadata.ts'
import { writeSafetensors } from '../../io/safetensors.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import { type EfficientNetOptions, isVariant } from '../../models/efficientnet.ts'
import { openModel } from '../../models/open-model.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import { recipeCompileOptions } from '../../recipes/run.ts'
import type { FitOptions } from '../../train/fit-options.ts'
import { checkpointIn } from './run-folder.ts'
import { comparedByName, namedWeights } from './weights-by-name.ts'

export interface StartWeights {
  /** What of the run the file decides: variant, padding, normalisation and the rest that its weights were made with. */
  readonly settings: Partial<Pick<Recipe, 'model' | 'architecture'>>
  readonly variables: (model: Model, recipe: Recipe) => Promise<Start>
}

export interface Start extends Disposable {
  readonly variables: NonNullable<FitOptions['variables']>
  /** What does not come from the file. */
  readonly note: string | null
}

/**
 * Reads a file, or the best checkpoint of a run's folder.
 * @param wanted The model that the run names, undefined where it names none.
 * @throws EffuseError EF505 where the file is of another variant, and what openModel() throws.
 */
export const openStartWeights = async (path: string, wanted: string | undefined): Promise<StartWeights> => {
  const file = await checkpointIn(path, 'best')
  return wanted === undefined || isVariant(wanted) ? ofVariant(file, wanted) : byName(file)
}

const headNames = ['head/dense/kernel', 'head/dense/bias']

/** Weights decide variant, padding, epsilon and normalisation: with others they would be worth nothing. */
const ofVariant = async (file: string, wanted: string | undefined): Promise<StartWeights> => {
  const opened = await openModel(file)
  const { variant, options }: { readonly variant: string; readonly options: EfficientNetOptions } = JSON.parse(
    modelMetadata(opened.model)['effuse.model'] ?? '{}',
  ) // as efficientNet() writes it
  if (wanted !== undefined && wanted !== variant)
    throw new EffuseError({
      code: 'EF505',
      message: `${file} holds weights of ${variant}, and the run is to train ${wanted}`,
      hint: `leave --model out, or give --model ${variant}`,
    })
  const { classes: _c, resolution: _r, dropout: _d, stochasticDepth: _s, ...architecture } = options
  return {
    settings: { model: variant, architecture },
    variables: async (model, recipe) => {
      const had = opened.model.outputs.logits.shape[1]
      const has = model.outputs['logits']?.shape[1]
      if (had === has) return { variables: opened.weights, note: null, [Symbol.dispose]: () => {} }
      const note = `the weights tell ${had} classes apart and the data has ${has}: ${headNames.join(' and ')} start fresh`
      return started(model, recipe, { weights: opened.weights, fresh: headNames, note })
    },
  }
}

/** What a file has under the names of the model; the rest starts fresh. */
const byName = async (file: string): Promise<StartWeights> => {
  const found = await namedWeights(file)
  return {
    settings: {},
    variables: async (model, recipe) => {
      const { fitting, fresh, differences } = comparedByName(model, found)
      if (fitting.length === 0)
        throw new EffuseError({
          code: 'EF505',
          message: `${file} has nothing for ${model.name}:\n  ${differences.join('\n  ')}`,
          hint: 'weights go to variables of the same names and shapes',
        })
      const count = fitting.length + fresh.length
      const note =
        differences.length === 0
          ? null
          : `${file} fits ${fitting.length} of ${count} variables, the others start fresh:\n  ${differences.join('\n  ')}`
      return started(model, recipe, { weights: writeSafetensors(fitting, {}), fresh, note })
    },
  }
}

/** Initial values, and over them what the file has. */
const started = async (
  model: Model,
  recipe: Recipe,
  {
    weights,
    fresh,
    note,
  }: { readonly weights: Uint8Array; readonly fresh: readonly string[]; readonly note: string | null },
): Promise<Start> => {
  const net = await compile(model, recipeCompileOptions(recipe))
  try {
    await net.variables.load(weights, { except: fresh })
  } catch (error) {
    net.dispose()
    throw error
  }
  return { variables: net.variables, note, [Symbol.dispose]: () => net.dispose() }
}
