/**
 * A training run as plain data: the content of a recipe file, of the command line's flags, and of a run's `config.json`.
 * Only the table below defines the settings; files, flags and documents are checked against it.
 */
import { type FolderCrop, folderCrops } from '../pixels/box.ts'
import { sideMax } from '../pixels/size.ts'
import { type Precision, precisions, type XlaChoice, xlaChoices } from '../backends/backend.ts'
import { backendNames, type BackendName } from '../backends/catalog.ts'
import type { EfficientNetOptions } from '../models/efficientnet.ts'
import type { Kind } from './kinds.ts'

/** Options of the model that are not settings of their own. */
export type ArchitectureOptions = Omit<EfficientNetOptions, 'classes' | 'resolution' | 'dropout' | 'stochasticDepth'>

export const optimizerNames = ['rmsprop', 'sgd', 'adam', 'adamw'] as const
export const scheduleNames = ['cosine', 'linearCosine', 'exponential', 'piecewise', 'constant'] as const

/** All settings of a run. `null` means the default of the function that uses the setting. */
export interface Recipe {
  /** A variant of EfficientNet, or the user's own model: `./net.js#digits`. */
  readonly model: string
  readonly architecture: ArchitectureOptions
  /** `digits`, or a folder of pictures. */
  readonly data: string
  /** The share of the pictures to hold out for tests, if the folder has no test part. */
  readonly holdout: number | null
  /** The crop of a folder's training pictures. Test pictures get the matching crop. */
  readonly crop: FolderCrop | null
  /** The smallest and largest share of a picture that a random box covers. */
  readonly cropArea: readonly [least: number, greatest: number] | null
  /** Whether to mirror each training picture of a folder with probability 1/2. */
  readonly flip: boolean | null
  /** Height and width of the pictures. */
  readonly size: number | null
  readonly dropout: number | null
  readonly stochasticDepth: number | null
  readonly epochs: number
  /** Updates of one epoch, if it is to end before it has used all pictures. */
  readonly stepsPerEpoch: number | null
  readonly batch: number
  readonly accumulate: number
  /** The number of stages. Settings that begin with `base` are values of the first stage. */
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
  /** The highest learning rate, without scaling. */
  readonly learningRate: number | null
  /** The highest learning rate for 128 rows per update. It is scaled by the actual number of rows. */
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
  /** Globs of variables that training does not change. */
  readonly frozen: readonly string[]
  /** The number of epochs without improvement after which the run ends. */
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
  /** Whether to emulate half types by rounding after each op, if the backend has no half arithmetic. */
  readonly emulateHalf: boolean | null
  readonly xla: boolean
  /** Whether XLA compiles the graphs on the backend `tensorflow`; null: `auto`, on GPUs. */
  readonly xlaTensorflow: XlaChoice | null
  /** `tf32` lets GPUs round the operands of products. */
  readonly precision: Precision
  /** Whether equal runs give equal bits also where a machine is faster without. */
  readonly deterministic: boolean
  readonly seed: number
}

/** A setting that others belong to, and its values for which they are allowed. */
export interface Owner {
  readonly key: keyof Recipe
  readonly values: readonly unknown[] | 'several'
}

export interface Setting<T> {
  readonly takes: Kind
  /** The default. A setting without it is required. */
  readonly initial?: T
  readonly belongsTo?: Owner | readonly Owner[]
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
  xlaTensorflow: {
    takes: { kind: 'choice', of: xlaChoices },
    initial: null,
    belongsTo: [
      { key: 'xla', values: [true] },
      { key: 'backend', values: ['tensorflow', 'auto'] },
    ],
  },
  precision: { takes: { kind: 'choice', of: precisions }, initial: 'float32' },
  deterministic: { takes: flag, initial: true },
  seed: { takes: { kind: 'integer', least: 0, most: 2 ** 32 - 1 }, initial: 0 },
}

export const settingNames = Object.keys(settings) as readonly (keyof Recipe)[] // Object.keys does not keep the keys' type
