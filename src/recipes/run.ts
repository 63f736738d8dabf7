/** Converts settings to the arguments of fit(): the model of each stage, and the options. */
import type { ExecutionOptions } from '../executable/options.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Signature } from '../ir/value.ts'
import {
  type EfficientNet,
  type EfficientNetOptions,
  efficientNet,
  isVariant,
  type Variant,
  variants,
} from '../models/efficientnet.ts'
import { architectureOf } from '../models/efficientnet-variants.ts'
import { crossEntropy, type Loss } from '../passes/train/losses.ts'
import { adam, adamw, type Optimizer, rmsprop, sgd } from '../passes/train/optimizers.ts'
import { cosine, exponential, linearCosine, piecewise, type Schedule, warmup } from '../passes/train/schedules.ts'
import type { FitOptions, RunFigures } from '../train/fit-options.ts'
import type { StageSettings, StagesOptions } from '../train/stages.ts'
import type { Recipe } from './recipe.ts'

/** The options of fit() that a recipe determines. The caller adds data, checkpoints and events. */
export type RecipeFitOptions = Omit<FitOptions, 'data' | 'loss'> & {
  readonly loss: Loss<Signature, EfficientNet['outputs']>
}

/**
 * The network of a recipe for each stage. Size of pictures and dropout are those of the stage, else of the recipe, else of the variant.
 *
 * @throws EffuseError EF602 (the recipe names a module, not a variant), EF403 (options of the model).
 * @example
 * const recipe = resolveRecipe({ model: 'b0', data: 'photos', size: 64 })
 * const small = recipeModel(recipe, 3)({ size: 32 })
 */
export const recipeModel =
  (recipe: Recipe, classes: number): ((stage?: StageSettings) => EfficientNet) =>
  (stage = {}) =>
    efficientNet(variantOf(recipe), {
      ...recipe.architecture,
      classes,
      resolution: stage.size ?? recipe.size ?? undefined,
      dropout: stage.dropout ?? recipe.dropout ?? undefined,
      stochasticDepth: recipe.stochasticDepth ?? undefined,
    } satisfies EfficientNetOptions)

const variantOf = ({ model }: Recipe): Variant => {
  if (!isVariant(model))
    throw new EffuseError({
      code: 'EF602',
      message: `"${model}" is not a variant of EfficientNet; there are ${variants.join(', ')}`,
    })
  return model
}

/**
 * The options of fit() for a recipe.
 *
 * @throws EffuseError EF403
 * @example
 * const recipe = resolveRecipe({ model: 'b0', data: 'photos', size: 32, epochs: 1, batch: 2, warmupEpochs: 0 })
 * const rows = { classes: ['a', 'b', 'c'], length: 2, batches: () => [{ image: new Uint8Array(2 * 32 * 32 * 3), label: Int32Array.of(0, 2) }] }
 * using run = await fit(recipeModel(recipe, 3), { ...recipeOptions(recipe), data: { train: rows } })
 */
export const recipeOptions = (recipe: Recipe): RecipeFitOptions => ({
  loss: lossOf(recipe),
  optimizer: (run) => optimizerOf(recipe, run),
  epochs: recipe.epochs,
  batch: recipe.batch,
  accumulate: recipe.accumulate,
  ...(recipe.stages > 1
    ? { stages: stagesOptionsOf(recipe) }
    : { augmentation: recipe.augmentation ?? undefined, mixup: recipe.mixup === 0 ? undefined : recipe.mixup }),
  checkpointEvery: recipe.checkpointEvery ?? undefined,
  keepCheckpoints: recipe.keepCheckpoints,
  evaluateEvery: recipe.evaluateEvery,
  evaluationBatch: recipe.evaluationBatch ?? undefined,
  earlyStop: recipe.earlyStop === null ? undefined : { patience: recipe.earlyStop },
  // adamw itself applies decoupled decay; both together would decay the weights twice.
  weightDecay: recipe.optimizer === 'adamw' ? 0 : recipe.weightDecay,
  emaDecay: recipe.emaDecay ?? undefined,
  clipNorm: recipe.clipNorm ?? undefined,
  frozen: recipe.frozen.length === 0 ? undefined : recipe.frozen,
  lossScale: recipe.lossScale,
  ...recipeCompileOptions(recipe),
})

type AmpSetting = 'ampDtype' | 'ampStrategy' | 'emulateHalf'

/** The options of compile() for a recipe. */
export const recipeCompileOptions = (
  recipe: Pick<Recipe, Extract<keyof Recipe, keyof ExecutionOptions> | AmpSetting | 'xlaTensorflow'>,
): ExecutionOptions => {
  const { backend, amp, ampDtype, ampStrategy, emulateHalf, xla, xlaTensorflow, precision, deterministic, seed } =
    recipe
  const halves = {
    dtype: ampDtype ?? undefined,
    strategy: ampStrategy ?? undefined,
    emulate: emulateHalf ?? undefined,
  }
  return {
    ...{ backend, amp: amp && halves, precision, deterministic, seed },
    xla: xlaTensorflow === null ? xla : { tensorflow: xlaTensorflow },
  }
}

/** Mixed labels are distributions; other labels are indices, which take less memory. */
const lossOf = (recipe: Recipe): RecipeFitOptions['loss'] => {
  const { labelSmoothing, mixup, baseMixup } = recipe
  const isMixed = mixup > 0 || (baseMixup ?? 0) > 0
  const loss = isMixed ? crossEntropy({ labels: 'distribution', labelSmoothing }) : crossEntropy({ labelSmoothing })
  return loss as unknown as RecipeFitOptions['loss'] // fit() derives the types of the targets
}

const stagesOptionsOf = (recipe: Recipe): StagesOptions => {
  const { stages: count, size, dropout, augmentation, mixup } = recipe
  const { baseSize, baseDropout, baseAugmentation, baseMixup } = recipe
  const own = isVariant(recipe.model) ? architectureOf(recipe.model) : null
  return {
    count,
    from: {
      size: baseSize ?? undefined,
      dropout: baseDropout ?? undefined,
      augmentation: baseAugmentation ?? undefined,
      mixup: baseMixup ?? undefined,
    },
    to: {
      size: size ?? (baseSize === null ? undefined : own?.resolution),
      dropout: dropout ?? (baseDropout === null ? undefined : own?.dropout),
      augmentation: augmentation ?? undefined,
      mixup: mixup === 0 && baseMixup === null ? undefined : mixup,
    },
  }
}

const optimizerOf = (recipe: Recipe, run: RunFigures): Optimizer => {
  const learningRate = scheduleOf(recipe, run)
  const { momentum, rho, epsilon, initialMeanSquare, beta1, beta2, nesterov, weightDecay } = recipe
  switch (recipe.optimizer) {
    case 'rmsprop':
      return rmsprop({ learningRate, ...given({ momentum, rho, epsilon, initialMeanSquare }) })
    case 'sgd':
      return sgd({ learningRate, ...given({ momentum, nesterov }) })
    case 'adam':
      return adam({ learningRate, ...given({ beta1, beta2, epsilon }) })
    case 'adamw':
      return adamw({ learningRate, weightDecay, ...given({ beta1, beta2, epsilon }) })
  }
}

/** Removes nulls, for which the optimizer has defaults. */
const given = <T extends { readonly [name: string]: number | boolean | null }>(
  of: T,
): { readonly [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== null)) as {
    readonly [K in keyof T]?: NonNullable<T[K]> // fromEntries does not keep the keys
  }

/** The learning rate of a run by updates. The schedule after the warm-up counts its steps from the warm-up's end, as in the reference. */
export const scheduleOf = (recipe: Recipe, { stepsPerEpoch, steps, globalBatch }: RunFigures): Schedule => {
  const initial = recipe.learningRate ?? ((recipe.learningRateInit ?? 0) * globalBatch) / 128
  const warmupSteps = Math.round((recipe.warmupEpochs ?? 0) * stepsPerEpoch)
  const after = mainSchedule(recipe, initial, stepsPerEpoch, Math.max(1, steps - warmupSteps))
  return warmupSteps === 0 ? after : warmup(after, { steps: warmupSteps })
}

const mainSchedule = (recipe: Recipe, initial: number, stepsPerEpoch: number, steps: number): Schedule => {
  switch (recipe.schedule) {
    case 'cosine':
      return cosine({ initial, steps })
    case 'linearCosine':
      return linearCosine({ initial, steps })
    case 'exponential':
      return exponential({
        initial,
        rate: recipe.decayRate ?? 0.97,
        every: (recipe.decayEpochs ?? 2.4) * stepsPerEpoch,
      })
    case 'piecewise':
      return piecewise({
        boundaries: (recipe.boundaries ?? []).map((epoch) => Math.round(epoch * stepsPerEpoch)),
        values: (recipe.multipliers ?? []).map((times) => times * initial),
      })
    case 'constant':
      return { kind: 'constant', value: initial }
  }
}
