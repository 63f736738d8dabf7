/** Computes all settings of a run from a recipe and changes to it. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { isOfKind, kindWords } from './kinds.ts'
import { digitsName, type Owner, type Recipe, type Setting, settingNames, settings } from './recipe.ts'
import { didYouMean } from '../ir/words.ts'

/** The name of a setting in messages: `"weightDecay"` in a file, `--weight-decay` on the command line. */
export type NameOf = (key: keyof Recipe) => string
const quoted: NameOf = (key) => `"${key}"`

/**
 * All settings: those of the changes, else of the recipe, else the defaults. Some settings belong to a choice (`rho` to the optimizer `rmsprop`,
 * `augmentation` to the digits): if the changes choose something else, the recipe's settings for it are dropped. Contradictory changes are an error.
 *
 * @throws EffuseError EF403 naming the setting, the expected and the given value.
 * @example
 * const recipe = resolveRecipe({ model: 'b0', data: 'digits', optimizer: 'rmsprop', rho: 0.9 }, { optimizer: 'adam', epochs: 3 })
 */
export const resolveRecipe = (
  base: Partial<Recipe>,
  changes: Partial<Recipe> = {},
  nameOf: NameOf = quoted,
): Recipe => {
  checkSettings(base, quoted)
  checkSettings(changes, nameOf)
  const initial = Object.fromEntries(settingNames.map((key) => [key, settings[key].initial]))
  const kept = withoutReplaced(base, changes)
  const merged = withDefaults({ ...initial, ...defined(kept), ...defined(changes) } as Recipe) // needed settings are checked next
  for (const key of settingNames)
    if (merged[key] === undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `the run needs ${nameOf(key)}: ${kindWords(settings[key].takes)}`,
      })
  checkBelonging(merged, nameOf)
  checkTogether(merged, nameOf)
  return merged
}

/** @throws EffuseError EF403 for an unknown name or a wrong value */
export const checkSettings = (given: Partial<Recipe>, nameOf: NameOf): void => {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const setting: Setting<unknown> | undefined = Object.hasOwn(settings, name)
      ? settings[name as keyof Recipe]
      : undefined
    if (setting === undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `there is no setting ${nameOf(name as keyof Recipe)}; there are ${settingNames.join(', ')}`,
        hint: didYouMean(name, settingNames),
      })
    if (name === 'architecture') checkArchitecture(value, nameOf)
    const isOptional = setting.initial === null
    if (!(isOptional && value === null) && !isOfKind(setting.takes, value))
      throw new EffuseError({
        code: 'EF403',
        message: `${nameOf(name as keyof Recipe)} must be ${kindWords(setting.takes)}, got ${showGiven(value)}`,
      })
  }
}

/** Options of a model that are settings of their own. The data determines the number of classes. */
const ownSettings: { readonly [option: string]: keyof Recipe } = {
  classes: 'data',
  resolution: 'size',
  dropout: 'dropout',
  stochasticDepth: 'stochasticDepth',
}

/** Rejects options that are settings, because one of the two values would be ignored. @throws EffuseError EF403 */
const checkArchitecture = (architecture: unknown, nameOf: NameOf): void => {
  for (const [option, key] of Object.entries(ownSettings))
    if (typeof architecture === 'object' && architecture !== null && option in architecture)
      throw new EffuseError({
        code: 'EF403',
        message: `${nameOf('architecture')} cannot have "${option}": ${option === 'classes' ? 'the data determines it' : `the setting "${key}" determines it`}`,
        hint: `leave "${option}" out there`,
      })
}

const given = (of: Partial<Recipe>, key: keyof Recipe): boolean => of[key] !== undefined && of[key] !== null
const defined = (of: Partial<Recipe>): Partial<Recipe> =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined))

/** The recipe without the settings that the changes make invalid. */
const withoutReplaced = (base: Partial<Recipe>, changes: Partial<Recipe>): Partial<Recipe> =>
  Object.fromEntries(Object.entries(base).filter(([key]) => !isVoid(key as keyof Recipe, changes))) // names were checked

const isVoid = (key: keyof Recipe, changes: Partial<Recipe>): boolean => {
  if (key === 'learningRate' || key === 'learningRateInit')
    return given(changes, 'learningRate') || given(changes, 'learningRateInit')
  const { ofData } = settings[key]
  const isOfOtherData =
    ofData !== undefined && changes.data !== undefined && (changes.data === digitsName) !== (ofData === 'digits')
  return isOfOtherData || ownersOf(key).some((owner) => changes[owner.key] !== undefined && !goesWith(owner, changes))
}

const ownersOf = (key: keyof Recipe): readonly Owner[] => [settings[key].belongsTo ?? []].flat()

/** The recipe's settings that the changes remove and do not set again, for a note. */
export const removedSettings = (base: Partial<Recipe>, changes: Partial<Recipe>): readonly (keyof Recipe)[] =>
  settingNames.filter((key) => given(base, key) && changes[key] === undefined && isVoid(key, changes))

const goesWith = ({ key, values }: Owner, recipe: Partial<Recipe>): boolean =>
  values === 'several' ? Number(recipe[key]) > 1 : values.includes(recipe[key])

/** Defaults that depend on other settings. */
const withDefaults = (recipe: Recipe): Recipe => ({
  ...recipe,
  learningRateInit: recipe.learningRateInit ?? (recipe.learningRate === null ? 0.005 : null),
  // Five epochs as in the reference; fewer in a short run.
  warmupEpochs: recipe.warmupEpochs ?? Math.min(5, recipe.epochs / 10),
})

const checkBelonging = (recipe: Recipe, nameOf: NameOf): void => {
  for (const key of settingNames) {
    const owner = given(recipe, key) ? ownersOf(key).find((one) => !goesWith(one, recipe)) : undefined
    if (owner === undefined) continue
    const wanted = owner.values === 'several' ? 'above 1' : owner.values.filter((value) => value !== null).join(' or ')
    throw new EffuseError({
      code: 'EF403',
      message: `${nameOf(key)} is for ${nameOf(owner.key)} ${wanted}, but here it is ${recipe[owner.key]}`,
      hint: `leave ${nameOf(key)} out, or choose another ${nameOf(owner.key)}`,
    })
  }
}

const checkTogether = (recipe: Recipe, nameOf: NameOf): void => {
  const { schedule, boundaries, multipliers, warmupEpochs, epochs, stages } = recipe
  const fault = (message: string, hint?: string): EffuseError => new EffuseError({ code: 'EF403', message, hint })
  if (given(recipe, 'learningRate') && given(recipe, 'learningRateInit'))
    throw fault(
      `${nameOf('learningRate')} and ${nameOf('learningRateInit')} exclude each other`,
      `${nameOf('learningRate')} is the rate itself; ${nameOf('learningRateInit')} is the rate for 128 rows per update, and is scaled by the actual number`,
    )
  if (schedule === 'piecewise') {
    if (boundaries === null || multipliers === null || multipliers.length !== boundaries.length + 1)
      throw fault(
        `${nameOf('schedule')} piecewise needs ${nameOf('boundaries')}, and one more of ${nameOf('multipliers')}; got ${boundaries?.length ?? 0} and ${multipliers?.length ?? 0}`,
      )
    if (boundaries.some((at, i) => i > 0 && at <= (boundaries[i - 1] ?? 0)))
      throw fault(`${nameOf('boundaries')} must rise, got ${boundaries.join(', ')}`)
  }
  if (warmupEpochs !== null && warmupEpochs >= epochs)
    throw fault(
      `${nameOf('warmupEpochs')} ${warmupEpochs} leaves nothing of ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`,
      `use a shorter warm-up, or a larger ${nameOf('epochs')}`,
    )
  if (stages > epochs)
    throw fault(
      `${nameOf('stages')} ${stages} needs at least as many of ${nameOf('epochs')}, got ${epochs}`,
      'an epoch belongs to one stage',
    )
}

/** The differences between two sets of settings, for a note. */
export const changedSettings = (
  before: Recipe,
  after: Recipe,
): readonly { readonly key: keyof Recipe; readonly before: unknown; readonly after: unknown }[] =>
  settingNames
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => ({ key, before: before[key], after: after[key] }))
