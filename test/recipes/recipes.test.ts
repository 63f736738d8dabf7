/** Runs as plain data: valid recipes, the precedence of settings, and the resulting options. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { scheduleAt } from '../../src/passes/train/schedules.ts'
import { fromWord, isOfKind, type Kind } from '../../src/recipes/kinds.ts'
import { loadRecipe, parseRecipe, recipeNames } from '../../src/recipes/load.ts'
import { type Recipe, settingNames, settings } from '../../src/recipes/recipe.ts'
import { changedSettings, resolveRecipe } from '../../src/recipes/resolve.ts'
import { recipeModel, recipeOptions, scheduleOf } from '../../src/recipes/run.ts'
import { figuresOf } from '../../src/train/fit-options.ts'
import { stagesOf } from '../../src/train/stages.ts'

const needed = { model: 'b0', data: 'photos' }
const messageOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof EffuseError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

describe('the recipes that come with effuse', () => {
  test('equal the files of the folder', () => {
    const files = readdirSync(fileURLToPath(new URL('../../recipes', import.meta.url)))
    expect(files.sort()).toEqual(recipeNames.map((name) => `${name}.json`).sort())
  })

  test.each([
    ['b0-imagenet', 224, 8 * 1024],
    ['b4-imagenet', 380, 8 * 160],
  ])("%s is the reference's convergence run", async (name, size, globalBatch) => {
    const recipe = resolveRecipe(await loadRecipe(name), { data: 'imagenet' })
    expect(recipe.batch * recipe.accumulate).toBe(globalBatch)
    const model = recipeModel(recipe, 1000)()
    expect(model.inputs.image.shape).toEqual(['batch', size, size, 3])
    const classes = Array.from({ length: 1000 }, (_, i) => String(i))
    const train = { classes, length: 1281167, batches: () => [] }
    const figures = figuresOf({ ...recipeOptions(recipe), data: { train } } as never)
    const { optimizer, weightDecay, emaDecay, epochs } = recipeOptions(recipe)
    expect({ weightDecay, emaDecay, epochs }).toEqual({ weightDecay: 5e-6, emaDecay: 0.9999, epochs: 500 })
    const made = typeof optimizer === 'function' ? optimizer(figures) : optimizer
    expect(made).toMatchObject({ kind: 'rmsprop', rho: 0.9, momentum: 0.9, epsilon: 1e-3, initialMeanSquare: 0 })
    // lr_init 0.005 for 128 pictures, five epochs of warm-up, then half a cosine that starts after them.
    const [stepsPerEpoch, peak] = [Math.floor(1281167 / globalBatch), (0.005 * globalBatch) / 128]
    const rate = (epoch: number): number => scheduleAt(made.learningRate, epoch * stepsPerEpoch)
    expect(rate(0)).toBe(0)
    expect(rate(2.5)).toBeCloseTo(peak / 2, 12)
    expect(rate(5)).toBeCloseTo(peak, 12)
    expect(rate(5 + 495 / 3)).toBeCloseTo(peak * 0.75, 6)
    expect(rate(500)).toBeCloseTo(0, 12)
  })

  test('digits is complete', async () => {
    const recipe = resolveRecipe(await loadRecipe('digits'))
    expect(recipeModel(recipe, 10)().inputs.image.shape).toEqual(['batch', 28, 28, 1])
  })
})

describe('words of a command line', () => {
  test('only printed numbers are accepted as numbers', () => {
    const kind: Kind = { kind: 'number' }
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(fromWord(kind, String(x))).toBe(x === 0 ? 0 : x) // -0 prints as 0
      }),
    )
    fc.assert(
      fc.property(fc.string(), (word) => {
        const value = fromWord(kind, word)
        expect(isOfKind(kind, value)).toBe(
          /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(word) && Number.isFinite(Number(word)),
        )
      }),
    )
  })
  test.each<[Kind, string]>([
    [{ kind: 'integer', least: 1 }, '0'],
    [{ kind: 'integer', least: 1 }, '1.5'],
    [{ kind: 'integer', least: 0 }, '-1'],
    [{ kind: 'integer', least: 0 }, '99999999999999999999'],
    [{ kind: 'number', above: 0, below: 1 }, '1'],
    [{ kind: 'number', above: 0, below: 1 }, '0'],
    [{ kind: 'number', most: 1 }, '1e999'],
    [{ kind: 'numbers' }, '1,,2'],
    [{ kind: 'numbers' }, ''],
    [{ kind: 'area' }, '0.5'],
    [{ kind: 'area' }, '0,1'],
    [{ kind: 'area' }, '0.5,1.1'],
    [{ kind: 'area' }, '0.5,0.4'],
    [{ kind: 'area' }, '0.5,'],
    [{ kind: 'choice', of: ['adam'] }, 'Adam'],
    [{ kind: 'lossScale' }, '1000'],
    [{ kind: 'lossScale' }, 'always'],
    [{ kind: 'text' }, ''],
  ])('%o refuses "%s"', (kind, word) => expect(isOfKind(kind, fromWord(kind, word))).toBe(false))
  test.each<[Kind, string, unknown]>([
    [{ kind: 'lossScale' }, '1024', 1024],
    [{ kind: 'lossScale' }, 'dynamic', 'dynamic'],
    [{ kind: 'numbers' }, '30,60.5', [30, 60.5]],
    [{ kind: 'area' }, '0.05,1', [0.05, 1]],
    [{ kind: 'integer', least: 0 }, '007', 7],
  ])('%o takes "%s"', (kind, word, value) => {
    expect(fromWord(kind, word)).toEqual(value)
    expect(isOfKind(kind, value)).toBe(true)
  })
})

describe('resolution', () => {
  // Independent settings, with values that they accept.
  const free = fc.record(
    {
      batch: fc.integer({ min: 1, max: 9 }),
      accumulate: fc.integer({ min: 1, max: 9 }),
      weightDecay: fc.double({ min: 0, max: 1, noNaN: true }),
      emaDecay: fc.constantFrom(null, 0.9, 0.99),
      clipNorm: fc.constantFrom(null, 1, 2),
      xla: fc.boolean(),
      frozen: fc.constantFrom([], ['stem/**']),
      seed: fc.nat(),
    },
    { requiredKeys: [] },
  )
  test('changes override the recipe, and the recipe overrides the defaults', () => {
    fc.assert(
      fc.property(free, free, (base, changes) => {
        const resolved = resolveRecipe({ ...needed, ...base }, changes)
        for (const key of Object.keys(settings) as (keyof typeof base)[])
          if (['batch', 'accumulate', 'weightDecay', 'emaDecay', 'clipNorm', 'xla', 'frozen', 'seed'].includes(key))
            expect(resolved[key]).toEqual(
              key in changes ? changes[key] : key in base ? base[key] : settings[key].initial,
            )
      }),
    )
  })
  test('is complete, survives JSON, and resolves to itself', () => {
    fc.assert(
      fc.property(free, (base) => {
        const resolved = resolveRecipe({ ...needed, ...base })
        expect(Object.keys(resolved).sort()).toEqual([...settingNames].sort())
        const again = resolveRecipe(
          parseRecipe(JSON.stringify({ effuse: '1', recipe: null, ...resolved }), 'config.json'),
        )
        expect(again).toEqual(resolved)
        expect(changedSettings(resolved, again)).toEqual([])
      }),
    )
  })

  test('dependent settings change with their choice', () => {
    const base: Partial<Recipe> = {
      ...needed,
      optimizer: 'rmsprop',
      rho: 0.8,
      momentum: 0.7,
      learningRateInit: 0.1,
      stages: 3,
      baseSize: 64,
      epochs: 9,
    }
    expect(resolveRecipe(base, { optimizer: 'sgd' })).toMatchObject({ rho: null, momentum: 0.7 })
    expect(resolveRecipe(base, { optimizer: 'adam' })).toMatchObject({ rho: null, momentum: null })
    const cut: Partial<Recipe> = { ...needed, cropArea: [0.5, 1] }
    expect(resolveRecipe(cut, { crop: 'none' })).toMatchObject({ crop: 'none', cropArea: null })
    expect(resolveRecipe(cut, { crop: 'box' })).toMatchObject({ crop: 'box', cropArea: [0.5, 1] })
    expect(resolveRecipe(base, { learningRate: 0.5 })).toMatchObject({ learningRate: 0.5, learningRateInit: null })
    expect(resolveRecipe(base, { stages: 1 })).toMatchObject({ baseSize: null })
    expect(resolveRecipe(base, { emaDecay: 0.9 })).toMatchObject({ rho: 0.8, baseSize: 64, learningRateInit: 0.1 })
  })

  test.each<[string, Partial<Recipe>, RegExp]>([
    [
      'two rates',
      { learningRate: 1, learningRateInit: 1 },
      /EF403: "learningRate" and "learningRateInit" exclude each other/,
    ],
    ['rho of adam', { optimizer: 'adam', rho: 0.9 }, /EF403: "rho" is for "optimizer" rmsprop, but here it is adam/],
    ['shares of no box', { crop: 'center', cropArea: [0.5, 1] }, /"cropArea" is for "crop" box, but here it is center/],
    ['sizes without stages', { baseSize: 64 }, /EF403: "baseSize" is for "stages" above 1, but here it is 1/],
    [
      'a decay of another schedule',
      { decayRate: 0.9 },
      /EF403: "decayRate" is for "schedule" exponential, but here it is cosine/,
    ],
    [
      'steps without values',
      { schedule: 'piecewise', boundaries: [1, 2], multipliers: [1, 2] },
      /one more of "multipliers"; got 2 and 2/,
    ],
    [
      'steps that fall',
      { schedule: 'piecewise', boundaries: [2, 1], multipliers: [3, 2, 1] },
      /"boundaries" must rise, got 2, 1/,
    ],
    ['all warm-up', { epochs: 2, warmupEpochs: 2 }, /"warmupEpochs" 2 leaves nothing of 2 epochs/],
    ['more stages than epochs', { epochs: 2, stages: 3 }, /"stages" 3 needs at least as many of "epochs", got 2/],
    ['no accumulation', { accumulate: 0 }, /EF403: "accumulate" must be an integer of at least 1, got 0/],
    ['more pixels than memory', { size: 100_000 }, /"size" must be an integer from 1 to 16384, got 100000/],
    ['a seed of more than 32 bits', { seed: 2 ** 32 }, /"seed" must be an integer from 0 to 4294967295/],
    [
      'what is a setting of its own',
      { architecture: { dropout: 0.5 } as never },
      /EF403: "architecture" cannot have "dropout": the setting "dropout" determines it/,
    ],
    [
      'classes, which the data has',
      { architecture: { classes: 5 } as never },
      /EF403: "architecture" cannot have "classes": the data determines it/,
    ],
    ['a misspelt setting', { epoch: 3 } as never, /there is no setting "epoch".*/],
  ])('%s is an error', (_, changes, message) =>
    expect(messageOf(() => resolveRecipe(needed, changes))).toMatch(message),
  )

  test('two rates in a file are also an error', () => {
    const both = { ...needed, learningRate: 1, learningRateInit: 1 }
    expect(messageOf(() => resolveRecipe(both))).toMatch(/exclude each other/)
    expect(resolveRecipe(both, { learningRate: 2 })).toMatchObject({ learningRate: 2, learningRateInit: null })
  })
  test('required settings have no defaults', () => {
    expect(messageOf(() => resolveRecipe({ model: 'b0' }))).toBe('EF403: the run needs "data": a text')
  })
  test.each([
    ['[1]', /x\.json must contain an object/],
    ['{', /x\.json is not JSON: 1:2: expected a name in double quotes, found the end of the text/],
    ['{\n  "batch": nine\n}', /x\.json is not JSON: 2:12: expected a value, found "nine"/],
    ['{"epoch": 9}', /there is no setting "epoch" in x\.json; there are model,/],
    ['{"batch": "9"}', /"batch" in x\.json must be an integer of at least 1, got "9"/],
  ])('a file that holds %s is an error', (text, message) =>
    expect(messageOf(() => parseRecipe(text, 'x.json'))).toMatch(message),
  )
  test('an unknown recipe gives an error with the nearest name', async () => {
    await expect(loadRecipe('digit')).rejects.toMatchObject({ code: 'EF403', hint: 'did you mean digits?' })
  })
})

describe('models and steps from a recipe', () => {
  test('stages go from the base settings to the plain ones', () => {
    const stages = {
      stages: 4,
      epochs: 10,
      baseSize: 128,
      size: 300,
      baseDropout: 0.1,
      dropout: 0.4,
      baseMixup: 0,
      mixup: 0.3,
    }
    const options = recipeOptions(resolveRecipe(needed, stages))
    const found = stagesOf(options.stages, options.epochs)
    expect(found.map(({ size }) => size)).toEqual([171, 214, 257, 300])
    expect(found.map(({ epochs }) => epochs)).toEqual([2, 2, 2, 4])
    expect(found.map(({ dropout }) => Number(dropout?.toFixed(6)))).toEqual([0.1, 0.2, 0.3, 0.4])
    expect(found.map(({ mixup }) => Number(mixup?.toFixed(6)))).toEqual([0, 0.1, 0.2, 0.3])
    expect(options.mixup).toBeUndefined()
  })
  test('a base size alone leads to the size of the variant', () => {
    const { stages, epochs } = recipeOptions(resolveRecipe(needed, { stages: 2, baseSize: 128 }))
    expect(stagesOf(stages, epochs).map(({ size }) => size)).toEqual([176, 224])
  })

  const run = { stepsPerEpoch: 10, steps: 100, epochs: 10, globalBatch: 256 }
  test.each<[string, Partial<Recipe>, readonly number[]]>([
    ['a rate as it is', { learningRate: 0.5, schedule: 'constant', warmupEpochs: 0 }, [0.5, 0.5, 0.5]],
    ['a rate scaled', { learningRateInit: 0.5, schedule: 'constant', warmupEpochs: 0 }, [1, 1, 1]],
    ['a warm-up', { learningRate: 1, schedule: 'constant', warmupEpochs: 5 }, [0, 0.98, 1]],
    [
      'exponential',
      { learningRate: 1, schedule: 'exponential', decayRate: 0.5, decayEpochs: 2, warmupEpochs: 0 },
      [1, 0.25, 0.0625],
    ],
    [
      'piecewise',
      { learningRate: 2, schedule: 'piecewise', boundaries: [2, 9], multipliers: [1, 0.5, 0.1], warmupEpochs: 0 },
      [2, 1, 0.2],
    ],
  ])('%s', (_, changes, rates) => {
    const schedule = scheduleOf(resolveRecipe(needed, changes), run)
    expect([0, 49, 95].map((step) => Number(scheduleAt(schedule, step).toFixed(6)))).toEqual(rates)
  })

  test('adamw applies weight decay itself, not in the gradient', () => {
    const { optimizer, weightDecay } = recipeOptions(resolveRecipe(needed, { optimizer: 'adamw', weightDecay: 0.01 }))
    expect(weightDecay).toBe(0)
    expect(typeof optimizer === 'function' ? optimizer(run) : null).toMatchObject({ kind: 'adam', weightDecay: 0.01 })
  })
  test('mixup makes labels distributions', () => {
    const targets = (mixup: number) => {
      const recipe = resolveRecipe(needed, { mixup })
      return recipeOptions(recipe).loss.targets(recipeModel(recipe, 3)({ size: 32 }).outputs)
    }
    expect(targets(0)).toMatchObject({ label: { dtype: 'int32' } })
    expect(targets(0.2)).toMatchObject({ label: { dtype: 'float32', shape: ['batch', 3] } })
  })
})

test('a kernel of 1001 in a recipe is rejected at once', () => {
  const blocks = [{ kernel: 1001, repeats: 1, filters: 8, expand: 1, strides: 1 }]
  const recipe = resolveRecipe({ ...needed, architecture: { blocks } })
  expect(messageOf(() => recipeModel(recipe, 3)())).toMatch(
    /"blocks\[0\]\.kernel" must be an odd integer from 1 to 63, got 1001/,
  )
})
