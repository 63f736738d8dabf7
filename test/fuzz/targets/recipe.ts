/** Recipes as JSON: every setting with values of its kind, and damaged ones. */
import fc, { type Arbitrary } from 'fast-check'
import { scheduleAt } from '../../../src/passes/train/schedules.ts'
import type { Kind } from '../../../src/recipes/kinds.ts'
import { parseRecipe } from '../../../src/recipes/load.ts'
import { type Recipe, settingNames, settings } from '../../../src/recipes/recipe.ts'
import { changedSettings, resolveRecipe } from '../../../src/recipes/resolve.ts'
import { recipeModel, recipeOptions } from '../../../src/recipes/run.ts'
import { figuresOf } from '../../../src/train/fit-options.ts'
import { type StageSettings, stagesOf } from '../../../src/train/stages.ts'
import { damagedJson } from '../mutations.ts'
import { type FuzzTarget, textFile, wrong } from '../target.ts'

/** Values that a setting accepts, and adjacent ones. */
const valuesOf = (kind: Kind): Arbitrary<unknown> => {
  switch (kind.kind) {
    case 'integer':
      return fc.constantFrom(kind.least, kind.least + 1, 7, 32, kind.most ?? 2 ** 31, Number.MAX_SAFE_INTEGER)
    case 'number':
      return fc.constantFrom(kind.least ?? 0.25, kind.most ?? 0.5, 0.9, 1e-300, 0.1, 1)
    case 'choice':
      return fc.constantFrom(...kind.of)
    case 'switch':
      return fc.boolean()
    case 'text':
      return fc.constantFrom('b0', 'lite2', 'digits', './net.js#mine', '__proto__')
    case 'texts':
      return fc.constantFrom([], ['stem/**'], ['!**', '{', '[a-'])
    case 'numbers':
      return fc.constantFrom([], [1, 2], [3, 6, 9], [2, 1], [0])
    case 'area':
      return fc.constantFrom([0.1, 1], [1, 1], [1e-300, 1])
    case 'lossScale':
      return fc.constantFrom('auto', 'dynamic', 'none', 1024, 2 ** 60)
    case 'object':
      return fc.constantFrom(
        {},
        { inChannels: 1, padding: 'symmetric' },
        { blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }] },
        { normalize: { mean: [1, 2, 3], std: [1, 1, 1] }, batchNorm: { momentum: 0.5, epsilon: 1e-3 } },
      )
  }
}
const setting = fc
  .constantFrom(...settingNames)
  .chain((key) => fc.tuple(fc.constant(key), fc.option(valuesOf(settings[key].takes), { freq: 8 })))
/** Required settings, and some others. */
const recipe = fc
  .tuple(fc.constantFrom('b0', 'b3', './net.js#mine'), fc.array(setting, { maxLength: 6 }))
  .map(([model, entries]) => JSON.stringify({ about: 'a case', model, data: 'digits', ...Object.fromEntries(entries) }))

const names = settingNames.map((name) => JSON.stringify(name))

export const recipes: FuzzTarget<string> = {
  name: 'recipe',
  summary: 'recipes as JSON',
  cases: damagedJson(recipe, [...names, '"adam"', '"piecewise"', '"b1"', '[0.5, 1]']),
  file: textFile,
  acceptedLeast: 0.15,
  attempt: async (text) => {
    const given = parseRecipe(text, 'a.json')
    const whole = resolveRecipe(given)
    if (changedSettings(whole, resolveRecipe(whole)).length > 0) wrong('resolved again it is another recipe')
    const options = recipeOptions(whole)
    const train = { classes: ['a', 'b', 'c'], length: 100, batches: () => [] }
    const figures = figuresOf({ ...options, data: { train } } as never) // the loss belongs to a missing model
    const optimizer = typeof options.optimizer === 'function' ? options.optimizer(figures) : options.optimizer
    const rate = scheduleAt(optimizer.learningRate, 3)
    if (!(rate >= 0)) wrong(`the learning rate of update 3 is ${rate}`)
    const { stages, epochs, augmentation, mixup } = options
    const all = stagesOf(epochs > 1000 ? undefined : stages, epochs, { augmentation, mixup })
    // Declaring a whole network takes ten milliseconds, so only some cases do it.
    if (whole.architecture.blocks !== undefined || text.length % 16 === 0)
      for (const stage of [...all.slice(0, 1), ...all.slice(-1)]) declare(whole, stage)
  },
}

const declare = (whole: Recipe, stage: StageSettings): void => {
  const { image } = recipeModel(whole, 3)(stage).inputs
  if (image.shape.length !== 4) wrong(`the picture is ${image.shape.join('x')}`)
}
