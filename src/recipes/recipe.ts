/**
 * A training run as plain data: what a recipe file holds, what the command line's flags change, and what `config.json` of a run says.
 * The table below is the only place that knows the settings; files, flags and documents are checked against it.
 */
import { type FolderCrop, folderCrops } from '../pixels/box.ts'
import { sideMax } from '../pixels/size.ts'
import { backendNames, type BackendName } from '../backends/catalog.ts'
import type { EfficientNetOptions } from '../models/efficientnet.ts'
import type { Kind } from './kinds.ts'

/** What of a model is no setting of its own. */
export type ArchitectureOptions = Omit<EfficientNetOptions, 'classes' | 'resolution' | 'dropout' | 'stochasticDepth'>

export const optimizerNames = ['rmsprop', 'sgd', 'adam', 'adamw'] as const
export const scheduleNames = ['cosine', 'linearCosine', 'exponential', 'piecewise', 'constant'] as const

/** All settings of a run. `null`: the default of what takes it. */
export interface Recipe {
  /** A variant of EfficientNet, or the user's own model: `./net.js#digits`. */
  readonly model: string
  readonly architecture: ArchitectureOptions
  /** `digits`, or a folder of pictures. */
  readonly data: string
  /** Share of the pictures that is held out for tests, where the folder has no part of its own for them. */
  readonly holdout: number | null
  /** How training pictures of a folder are cut; those to test with are cut to match. */
  readonly crop: FolderCrop | null
  /** Least and greatest share of a picture that a random box covers. */
  readonly cropArea: readonly [least: number, greatest: number] | null
  /** Training pictures of a folder are mirrored half of the time. */
  readonly flip: boolean | null
  /** Height and width of the pictures. */
  readonly size: number | null
  readonly dropout: number | null
  readonly stochasticDepth: number | null
  readonly epochs: number
  /** Updates of one epoch, where it is to end before all pictures were seen. */
  readonly stepsPerEpoch: number | null
  readonly batch: number
  readonly accumulate: number
  /** How many stages; 1: none. What begins with `base` is where the first stage starts from. */
  readonly stages: number
  readonly baseSize: number | null
  readonly baseDropout: number | null
  readonly baseAugmentation: number | null
  readonly baseMixup: number | null
  readonly optimizer: (typeof optimizerNames)[number]
  readonly momentum: number | null
  readonly rho: number | null
  readonly epsilon: number | null
  readonly initialMeanSquare: number | null
  readonly beta1: number | null
  readonly beta2: number | null
  readonly nesterov: boolean | null
  /** The highest rate, as it is. */
  readonly learningRate: number | null
  /** The highest rate for 128 rows an update; scaled by the rows that an update really has. */
  readonly learningRateInit: number | null
  readonly schedule: (typeof scheduleNames)[number]
  readonly warmupEpochs: number | null
  readonly decayRate: number | null
  readonly decayEpochs: number | null
  /** In epochs. */
  readonly boundaries: readonly number[] | null
  /** Of the highest rate; one more than boundaries. */
  readonly multipliers: readonly number[] | null
  readonly weightDecay: number
  readonly labelSmoothing: number
  readonly emaDecay: number | null
  readonly clipNorm: number | null
  readonly lossScale: 'auto' | 'dynamic' | 'none' | number
  readonly augmentation: number | null
  readonly mixup: number
  /** Globs of variables that stay as they are. */
  readonly frozen: readonly string[]
  /** Epochs without improvement after which the run ends. */
  readonly earlyStop: number | null
  /** Updates between checkpoints, besides the one at each epoch's end. */
  readonly checkpointEvery: number | null
  readonly keepCheckpoints: number
  readonly evaluateEvery: number
  readonly evaluationBatch: number | null
  /** A file of weights to start from. */
  readonly weights: string | null
  readonly backend: BackendName
  readonly amp: boolean
  readonly ampDtype: 'float16' | 'bfloat16' | null
  readonly ampStrategy: 'minCut' | 'tensorflow' | null
  /** Rounds after each op where the backend has no half arithmetic. */
  readonly emulateHalf: boolean | null
  readonly xla: boolean
  readonly seed: number
}

export interface Setting<T> {
  readonly takes: Kind
  /** The default; absent: the setting is required. */
  readonly initial?: T
  /** Another setting that this one belongs to, and the values of it that it goes with. */
  readonly belongsTo?: { readonly key: keyof Recipe; readonly values: readonly unknown[] | 'several' }
  /** The data that the setting is for: the built-in digits, or a folder of pictures. */
  readonly ofData?: 'digits' | 'folder'
}

/** The name of the built-in handwritten digits in the setting `data`. */
export const digitsName = 'digits'

const positive: Kind = { kind: 'integer', least: 1 }
const side: Kind = { kind: 'integer', least: 1, most: sideMax }
const atLeast0: Kind = { kind: 'number', least: 0 }
const above0: Kind = { kind: 'number', above: 0 }
const rate: Kind = { kind: 'number', least: 0, below: 1 }
const betweenOpen: Kind = { kind: 'number', above: 0, below: 1 }
const text: Kind = { kind: 'text' }
const flag: Kind = { kind: 'switch' }
const ofOptimizers = (...values: readonly string[]) => ({ key: 'optimizer', values }) as const
const ofSchedule = (...values: readonly string[]) => ({ key: 'schedule', values }) as const
const ofAmp = { key: 'amp', values: [true] } as const
const ofStages = { key: 'stages', values: 'several' } as const

/** Settings with the initial value null may be null; the others may not. */
export const settings: { readonly [K in keyof Recipe]: Setting<Recipe[K]> } = {
  model: { takes: text },
  architecture: { takes: { kind: 'object' }, initial: {} },
  data: { takes: text },
  holdout: { takes: betweenOpen, initial: null, ofData: 'folder' },
  crop: { takes: { kind: 'choice', of: folderCrops }, initial: null, ofData: 'folder' },
  cropArea: {
    takes: { kind: 'area' },
    initial: null,
    belongsTo: { key: 'crop', values: ['box', null] },
    ofData: 'folder',
  },
  flip: { takes: flag, initial: null, ofData: 'folder' },
  size: { takes: side, initial: null },
  dropout: { takes: rate, initial: null },
  stochasticDepth: { takes: rate, initial: null },
  epochs: { takes: positive, initial: 10 },
  stepsPerEpoch: { takes: positive, initial: null },
  batch: { takes: positive, initial: 32 },
  accumulate: { takes: positive, initial: 1 },
  stages: { takes: positive, initial: 1 },
  baseSize: { takes: side, initial: null, belongsTo: ofStages },
  baseDropout: { takes: rate, initial: null, belongsTo: ofStages },
  baseAugmentation: { takes: atLeast0, initial: null, belongsTo: ofStages, ofData: 'digits' },
  baseMixup: { takes: atLeast0, initial: null, belongsTo: ofStages },
  optimizer: { takes: { kind: 'choice', of: optimizerNames }, initial: 'rmsprop' },
  momentum: { takes: rate, initial: null, belongsTo: ofOptimizers('rmsprop', 'sgd') },
  rho: { takes: rate, initial: null, belongsTo: ofOptimizers('rmsprop') },
  epsilon: { takes: above0, initial: null, belongsTo: ofOptimizers('rmsprop', 'adam', 'adamw') },
  initialMeanSquare: { takes: atLeast0, initial: null, belongsTo: ofOptimizers('rmsprop') },
  beta1: { takes: rate, initial: null, belongsTo: ofOptimizers('adam', 'adamw') },
  beta2: { takes: rate, initial: null, belongsTo: ofOptimizers('adam', 'adamw') },
  nesterov: { takes: flag, initial: null, belongsTo: ofOptimizers('sgd') },
  learningRate: { takes: above0, initial: null },
  learningRateInit: { takes: above0, initial: null },
  schedule: { takes: { kind: 'choice', of: scheduleNames }, initial: 'cosine' },
  warmupEpochs: { takes: atLeast0, initial: null },
  decayRate: { takes: { kind: 'number', above: 0, most: 1 }, initial: null, belongsTo: ofSchedule('exponential') },
  decayEpochs: { takes: above0, initial: null, belongsTo: ofSchedule('exponential') },
  boundaries: { takes: { kind: 'numbers' }, initial: null, belongsTo: ofSchedule('piecewise') },
  multipliers: { takes: { kind: 'numbers' }, initial: null, belongsTo: ofSchedule('piecewise') },
  weightDecay: { takes: atLeast0, initial: 5e-6 },
  labelSmoothing: { takes: rate, initial: 0.1 },
  emaDecay: { takes: betweenOpen, initial: null },
  clipNorm: { takes: above0, initial: null },
  lossScale: { takes: { kind: 'lossScale' }, initial: 'auto' },
  augmentation: { takes: atLeast0, initial: null, ofData: 'digits' },
  mixup: { takes: atLeast0, initial: 0 },
  frozen: { takes: { kind: 'texts' }, initial: [] },
  earlyStop: { takes: positive, initial: null },
  checkpointEvery: { takes: positive, initial: null },
  keepCheckpoints: { takes: positive, initial: 3 },
  evaluateEvery: { takes: positive, initial: 1 },
  evaluationBatch: { takes: positive, initial: null },
  weights: { takes: text, initial: null },
  backend: { takes: { kind: 'choice', of: backendNames }, initial: 'auto' },
  amp: { takes: flag, initial: false },
  ampDtype: { takes: { kind: 'choice', of: ['float16', 'bfloat16'] }, initial: null, belongsTo: ofAmp },
  ampStrategy: { takes: { kind: 'choice', of: ['minCut', 'tensorflow'] }, initial: null, belongsTo: ofAmp },
  emulateHalf: { takes: flag, initial: null, belongsTo: ofAmp },
  xla: { takes: flag, initial: true },
  seed: { takes: { kind: 'integer', least: 0, most: 2 ** 32 - 1 }, initial: 0 },
}

export const settingNames = Object.keys(settings) as readonly (keyof Recipe)[] // Object.keys forgets the keys' type
