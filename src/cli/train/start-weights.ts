/** Fine-tuning: what a file of weights says of the model, and the variables to start from. */
import { compile } from '../../compile.ts'
import { modelMetadata } from '../../executable/metadata.ts'
import type { FitOptions } from '../../train/fit-options.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import type { EfficientNetOptions } from '../../models/efficientnet.ts'
import { type OpenedModel, openModel } from '../../models/open-model.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import { recipeCompileOptions } from '../../recipes/run.ts'

export interface StartWeights {
  readonly opened: OpenedModel
  /** Variant, padding, normalisation and the rest that the weights were made with. */
  readonly settings: Pick<Recipe, 'model' | 'architecture'>
}

/**
 * Reads the file. Weights decide variant, padding, epsilon and normalisation: with others they would be worth nothing.
 * @param wanted The variant that the run names, undefined where it names none.
 * @throws EffuseError EF505 where it is another one, and what openModel() throws.
 */
export const openStartWeights = async (path: string, wanted: string | undefined): Promise<StartWeights> => {
  const opened = await openModel(path)
  const { variant, options }: { readonly variant: string; readonly options: EfficientNetOptions } = JSON.parse(
    modelMetadata(opened.model)['effuse.model'] ?? '{}',
  ) // as efficientNet() writes it
  if (wanted !== undefined && wanted !== variant)
    throw new EffuseError({
      code: 'EF505',
      message: `${path} holds weights of ${variant}, and the run is to train ${wanted}`,
      hint: `leave --model out, or give --model ${variant}`,
    })
  const { classes: _c, resolution: _r, dropout: _d, stochasticDepth: _s, ...architecture } = options
  return { opened, settings: { model: variant, architecture } }
}

export interface Start extends Disposable {
  readonly variables: NonNullable<FitOptions['variables']>
  readonly note: string | null
}

const headNames = ['head/dense/kernel', 'head/dense/bias']

/** The variables for fit(): those of the file, but for a head that tells other classes apart. */
export const startVariables = async ({ opened }: StartWeights, model: Model, recipe: Recipe): Promise<Start> => {
  const had = opened.model.outputs.logits.shape[1]
  const has = model.outputs['logits']?.shape[1]
  if (had === has) return { variables: opened.weights, note: null, [Symbol.dispose]: () => {} }
  const fresh = await compile(model, recipeCompileOptions(recipe))
  await fresh.variables.load(opened.weights, { except: headNames })
  return {
    variables: fresh.variables,
    note: `the weights tell ${had} classes apart and the data has ${has}: ${headNames.join(' and ')} start fresh`,
    [Symbol.dispose]: () => fresh.dispose(),
  }
}
