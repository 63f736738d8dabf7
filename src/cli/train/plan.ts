/** The plan of `effuse train` from its command line, checked as far as possible before anything is written. */
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import type { Signature } from '../../ir/value.ts'
import { type EfficientNet, isVariant } from '../../models/efficientnet.ts'
import { loadRecipe } from '../../recipes/load.ts'
import { digitsName, type Recipe } from '../../recipes/recipe.ts'
import { changedSettings, type NameOf, removedSettings, resolveRecipe } from '../../recipes/resolve.ts'
import { recipeModel, type RecipeFitOptions, recipeOptions } from '../../recipes/run.ts'
import { classesOf } from '../../train/evaluate.ts'
import { figuresOf, type FitOptions, type ModelForStage } from '../../train/fit-options.ts'
import { stageAt, stagesOf } from '../../train/stages.ts'
import { metricsBeside, modelByName, ownModuleOf } from '../common.ts'
import { openOptionsOf, type WeightsFlags } from '../open-weights.ts'
import { flagOf, namesIn, settingsGiven } from './flags.ts'
import { channelsOf, type OpenedData, openData, shortened } from './open-data.ts'
import { configName, hasCheckpoint, readConfig, type SavedConfig } from './run-folder.ts'
import { openStartWeights, type Start, type StartWeights } from './start-weights.ts'

export interface TrainPlan {
  readonly recipe: Recipe
  /** Name of the recipe that the settings began with. */
  readonly recipeName: string | null
  /** The folder of the run; undefined: a new folder in `runs`. */
  readonly folder: string | undefined
  /** The saved configuration of the run to resume; null for a new run. */
  readonly resumed: SavedConfig | null
  readonly model: ModelForStage<Signature, EfficientNet['outputs']>
  readonly options: RecipeFitOptions & Pick<FitOptions, 'data' | 'variables'>
  /** The owner of `options.variables`, to be disposed of when they have been copied. */
  readonly start: Start | null
  /** What the user should know before the run starts. */
  readonly notes: readonly string[]
}

interface PlanOptions extends WeightsFlags {
  readonly recipe?: string
  readonly out?: string
}

/** @throws EffuseError EF403, EF601, EF602 (the command line), and errors of opening data and weights */
export const newPlan = async (
  command: Command,
  { recipe: recipeName, out, ...flags }: PlanOptions,
  say: (line: string) => void,
): Promise<TrainPlan> => {
  const given = settingsGiven(command)
  const base = recipeName === undefined ? {} : await loadRecipe(recipeName)
  const file = (given.weights === undefined ? base.weights : given.weights) ?? null // null: --weights none
  const weights = file === null ? null : await openStartWeights(file, given.model ?? base.model, openOptionsOf(flags))
  const named = weights === null ? base : { ...base, ...weights.settings }
  for (const key of ['model', 'data'] as const)
    if (given[key] === undefined && named[key] === undefined)
      throw new EffuseError({
        code: 'EF601',
        message: `train needs ${flagOf(key)}, or a --recipe that names one`,
        hint: 'effuse train --recipe digits trains a small network on the built-in digits',
      })
  const nameOf = namesIn(given, base, recipeName ?? null)
  const recipe = withFullPaths(resolveRecipe(named, given, nameOf))
  const notes = removedSettings(named, given).map(
    (key) => `the recipe's ${flagOf(key)} ${shown(named[key])} contradicts the other flags and is ignored`,
  )
  return planOf(recipe, { recipeName: recipeName ?? null, folder: out, resumed: null, weights, notes, nameOf, say })
}

/** Flags for reading a file of weights. A resumed run reads its own checkpoint instead. */
const idleFlags = ({ averages, format, verify }: WeightsFlags): readonly string[] => {
  const given = [
    ...(averages === undefined ? [] : [averages ? '--averages' : '--no-averages']),
    ...(format === undefined ? [] : ['--format']),
    ...(verify === false ? ['--no-verify'] : []),
  ]
  return given.map((flag) => `${flag} is for --weights and has no effect here: the run resumes from its checkpoint`)
}

/** @throws EffuseError EF601 (flags that only a new run can have), EF501 (no run in the folder), and errors of newPlan() */
export const resumedPlan = async (
  command: Command,
  folder: string,
  { recipe: recipeName, out, ...flags }: PlanOptions,
  say: (line: string) => void,
): Promise<TrainPlan> => {
  const given = settingsGiven(command)
  const settled = { '--recipe': recipeName, '--out': out, '--model': given.model, '--weights': given.weights }
  for (const [flag, value] of Object.entries(settled))
    if (value !== undefined)
      throw new EffuseError({
        code: 'EF601',
        message: `${flag} cannot change when --resume continues a run`,
        hint: `leave ${flag} out, or start a new run without --resume`,
      })
  const saved = await readConfig(folder)
  const nameOf = namesIn(given, saved.settings, join(folder, configName))
  const recipe = withFullPaths(resolveRecipe(saved.settings, given, nameOf))
  const changes = changedSettings(saved.settings, recipe).map(
    ({ key, before, after }) => `${flagOf(key)} was ${shown(before)} and is now ${shown(after)}`,
  )
  // A run that ended before its first checkpoint starts again with its initial weights.
  const isFresh = !(await hasCheckpoint(folder))
  const weights =
    isFresh && recipe.weights !== null
      ? await openStartWeights(recipe.weights, recipe.model, openOptionsOf(flags))
      : null
  const notes = isFresh
    ? [...changes, `there is no checkpoint in ${folder}: the run starts over`]
    : [...changes, ...idleFlags(flags)]
  return planOf(recipe, { recipeName: saved.recipe, folder, resumed: saved, weights, notes, nameOf, say })
}

const shown = (value: unknown): string => (value === null ? 'none' : JSON.stringify(value))

/** Resolves paths, so that a run can be resumed from any current folder. */
const withFullPaths = (recipe: Recipe): Recipe => ({
  ...recipe,
  model: isVariant(recipe.model) ? recipe.model : fullModelPath(recipe.model),
  data: recipe.data === digitsName ? recipe.data : resolve(recipe.data),
  weights: recipe.weights === null ? null : resolve(recipe.weights),
})

const fullModelPath = (model: string): string => {
  const named = ownModuleOf(model)
  if (named === null) return model // a misspelt variant, which modelByName() reports
  return [resolve(named.file), ...(named.exported === undefined ? [] : [named.exported])].join('#')
}

interface Beginnings extends Pick<TrainPlan, 'recipeName' | 'folder' | 'resumed' | 'notes'> {
  readonly weights: StartWeights | null
  readonly nameOf: NameOf
  /** Receives messages on the data during the run. */
  readonly say: (line: string) => void
}

const planOf = async (settings: Recipe, { weights, notes, nameOf, say, ...rest }: Beginnings): Promise<TrainPlan> => {
  const own = isVariant(settings.model) ? null : await ownModel(settings, nameOf)
  const channels = own === null ? settings.architecture.inChannels : channelsOf(own)
  checkAugmentation(settings, nameOf)
  const opened = await openData({ ...settings, channels, nameOf, say })
  const recipe = fittedToData(settings, opened)
  const data = { train: shortened(opened.train, recipe), test: opened.test }
  const model = (own ?? recipeModel(recipe, data.train.classes.length)) as TrainPlan['model'] // trainingStep() checks the outputs against the loss
  const metrics = own === null ? undefined : await metricsBeside(settings.model)
  const options: TrainPlan['options'] = { ...recipeOptions(recipe), data, metrics }
  // fit() also finds these faults, but only after the run has a folder.
  figuresOf(options as FitOptions)
  const first = firstModel(model, options)
  for (const source of [data.train, data.test]) classesOf(first, source)
  const start = weights === null ? null : await weights.variables(first, recipe)
  return {
    ...rest,
    recipe,
    model,
    options: start === null ? options : { ...options, variables: start.variables },
    start,
    notes: start === null ? notes : [...notes, ...start.notes],
  }
}

/** By default the data determines the size and the channels of pictures. */
const fittedToData = (recipe: Recipe, { size, channels }: OpenedData): Recipe =>
  isVariant(recipe.model)
    ? {
        ...recipe,
        size: recipe.size ?? (recipe.stages === 1 ? size : null),
        architecture:
          channels === 3 || recipe.architecture.inChannels !== undefined
            ? recipe.architecture
            : { ...recipe.architecture, inChannels: channels },
      }
    : recipe

/** @throws EffuseError EF602 (no such model), EF403 (settings that the model itself determines) */
const ownModel = async (recipe: Recipe, nameOf: NameOf): Promise<Model> => {
  const model = await modelByName(recipe.model)
  for (const key of ['size', 'baseSize', 'dropout', 'baseDropout', 'stochasticDepth'] as const)
    if (recipe[key] !== null)
      throw new EffuseError({
        code: 'EF403',
        message: `${nameOf(key)} is for variants of EfficientNet; ${recipe.model} declares it itself`,
        hint: `leave ${nameOf(key)} out`,
      })
  return model
}

const checkAugmentation = (recipe: Recipe, nameOf: NameOf): void => {
  for (const key of ['augmentation', 'baseAugmentation'] as const)
    if (recipe.data !== digitsName && recipe[key] !== null)
      throw new EffuseError({
        code: 'EF403',
        message: `${nameOf(key)} is for --data digits; folders of pictures use random crops and mirroring, which have no strength`,
        hint: `leave ${nameOf(key)} out, or give ${flagOf(key)} none`,
      })
}

const firstModel = (model: TrainPlan['model'], { stages, epochs }: RecipeFitOptions): Model => {
  const first = typeof model === 'function' ? model(stageAt(stagesOf(stages, epochs), 0)) : model
  return first
}
