/** The options of fit(): types, defaults and checks. */
import {
  type Check,
  checkPresent,
  checkRecord,
  isCount,
  isObject,
  unchecked,
  flag,
  count,
  callback,
} from '../ir/check-record.ts'
import type { CompileOptions, ExecutionOptions } from '../executable/options.ts'
import type { WeightsSource } from '../executable/weights-source.ts'
import type { Variables } from '../executable/variables.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import type { Signature } from '../ir/value.ts'
import { type Loss, lossCheck } from '../passes/train/losses.ts'
import { type Metrics, metricsCheck } from '../passes/train/metrics.ts'
import type { Optimizer } from '../passes/train/optimizers.ts'
import type { StepOptions } from '../passes/train/step.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { storeWords } from './checked-store.ts'
import type { Stage, TrainingEvent } from './events.ts'
import type { RunState } from './run-state.ts'
import { type DataSource, sourceCheck } from './source.ts'
import type { StagesOptions } from './stages.ts'

/** Figures that an optimizer's schedule may depend on. */
export interface RunFigures {
  /** Updates in one pass over the data. */
  readonly stepsPerEpoch: number
  /** Updates of the whole run. */
  readonly steps: number
  readonly epochs: number
  /** Rows of one update: batch times accumulate. */
  readonly globalBatch: number
}

export interface EarlyStop {
  /** Epochs without improvement after which the run ends. */
  readonly patience: number
  /** Smallest improvement of top-1 that counts, 0 to 1. Default 0. */
  readonly least?: number | undefined
}

export interface FitOptions<T extends Signature = Signature, O extends Signature = Signature>
  extends Pick<StepOptions, 'weightDecay' | 'emaDecay' | 'clipNorm' | 'frozen' | 'lossScale' | 'accumulate'>,
    ExecutionOptions,
    Pick<CompileOptions, 'signal'> {
  readonly data: { readonly train: DataSource; readonly test?: DataSource | undefined }
  readonly loss: Loss<T, NoInfer<O>>
  readonly optimizer: Optimizer | ((run: RunFigures) => Optimizer)
  readonly epochs: number
  /** Rows of one micro-batch. */
  readonly batch: number
  readonly stages?: StagesOptions | undefined
  /** Without stages: strength of augmentation, in the source's units. */
  readonly augmentation?: number | undefined
  /** Without stages: alpha of mixup; needs a loss that takes distributions. */
  readonly mixup?: number | undefined
  /** The store of checkpoints; absent: none are written. */
  readonly checkpoints?: CheckpointStore | undefined
  /** Updates between checkpoints, besides the one at the end of each epoch. */
  readonly checkpointEvery?: number | undefined
  /** How many of the latest checkpoints are kept, besides the best. Default 3. */
  readonly keepCheckpoints?: number | undefined
  /** Continue from the latest checkpoint if there is one. Default false. */
  readonly resume?: boolean | undefined
  /** Weights to start from, from another run or a file; absent: the model's initial values. */
  readonly variables?: Variables | WeightsSource | undefined
  /** Globs of variables, for example of a new head, that start at their initial values instead of those in `variables`. */
  readonly fresh?: string | readonly string[] | undefined
  /** Epochs between evaluations of `data.test`; the last epoch is always evaluated. Default 1. */
  readonly evaluateEvery?: number | undefined
  /** Rows of a batch of the evaluation. Default: batch. */
  readonly evaluationBatch?: number | undefined
  /** For evaluations: functions in the graph that return a value per row, by name. Events have their means. */
  readonly metrics?: Metrics<NoInfer<T>, NoInfer<O>> | undefined
  readonly earlyStop?: EarlyStop | undefined
  /** With a dynamic loss scale: the run fails when it skips more updates in a row. Default 20. */
  readonly skippedMax?: number | undefined
  /** Texts that the checkpoints keep. */
  readonly metadata?: { readonly [key: string]: string } | undefined
  /** Show progress: a bar in a terminal, otherwise a line every ten seconds, on stderr or a browser's console. Default false. */
  readonly progress?: boolean | undefined
  /** Receives the run's events. If it returns a promise, the run waits for it only at its end; a rejection ends the run. */
  readonly onEvent?: ((event: TrainingEvent) => void) | undefined
}

/** The model, or a function that makes it for a stage. Picture size and dropout may change between stages, variables may not. */
export type ModelForStage<I extends Signature, O extends Signature> = Model<I, O> | ((stage: Stage) => Model<I, O>)

const isAtLeast0 = (v: unknown): boolean => typeof v === 'number' && v >= 0 && v < Infinity
const atLeast0: Check = ['a number of at least 0', isAtLeast0]
const [, isSource] = sourceCheck
const isMethod = (of: object, name: string): boolean => typeof Reflect.get(of, name) === 'function'

const checks: { readonly [K in keyof Required<FitOptions>]: Check } = {
  data: [
    `{ train, test? }, each ${sourceCheck[0]}`,
    (v) =>
      isObject(v) && 'train' in v && isSource(v.train) && (!('test' in v) || v.test === undefined || isSource(v.test)),
  ],
  loss: lossCheck,
  optimizer: [
    'an optimizer such as rmsprop({ learningRate }), or a function that makes one',
    (v) => typeof v === 'function' || (isObject(v) && 'kind' in v),
  ],
  epochs: count,
  batch: count,
  accumulate: count,
  stages: ['{ count, from, to }', (v) => isObject(v) && 'count' in v && 'from' in v && 'to' in v],
  augmentation: atLeast0,
  mixup: atLeast0,
  checkpoints: [
    `a store of checkpoints, ${storeWords}, or your own with list(), read(), write() and remove()`,
    (v) => isObject(v) && ['list', 'read', 'write', 'remove'].every((name) => isMethod(v, name)),
  ],
  checkpointEvery: count,
  keepCheckpoints: count,
  resume: flag,
  variables: unchecked,
  fresh: ['a glob or a list of globs', (v) => [v].flat().every((glob) => typeof glob === 'string')],
  evaluateEvery: count,
  evaluationBatch: count,
  metrics: metricsCheck,
  earlyStop: [
    '{ patience, least? }, patience a positive integer, and least a number of at least 0',
    (v) =>
      isObject(v) &&
      'patience' in v &&
      isCount(v.patience) &&
      (!('least' in v) || v.least === undefined || isAtLeast0(v.least)),
  ],
  skippedMax: count,
  metadata: ['an object of texts', isObject],
  progress: flag,
  onEvent: callback,
  weightDecay: unchecked,
  emaDecay: unchecked,
  clipNorm: unchecked,
  frozen: unchecked,
  lossScale: unchecked,
  backend: unchecked,
  amp: unchecked,
  xla: unchecked,
  precision: unchecked,
  deterministic: unchecked,
  seed: unchecked,
  signal: unchecked,
}
const { data, loss, optimizer, epochs, batch } = checks
const needed = { data, loss, optimizer, epochs, batch }

/** @throws EffuseError EF403, which names the option, the expected and the given value. */
export const checkFitOptions = (options: FitOptions): void => {
  checkRecord('fit()', '', options, checks)
  checkPresent('fit()', options, needed)
  checkRecord('data', 'data.', options.data, { train: unchecked, test: unchecked })
  if (options.earlyStop !== undefined)
    checkRecord('earlyStop', 'earlyStop.', options.earlyStop, { patience: unchecked, least: unchecked })
  if (options.earlyStop !== undefined && options.data.test === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: 'earlyStop needs data.test: improvement is measured there',
      hint: 'give held-out data, or leave earlyStop out',
    })
  if (options.metrics !== undefined && options.data.test === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: 'metrics need data.test: they are measured there',
      hint: 'give held-out data, or leave metrics out',
    })
  if (options.fresh !== undefined && options.variables === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: 'fresh needs the option "variables": without it all variables start at their initial values',
    })
  if (options.resume === true && options.checkpoints === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: 'resume needs the option "checkpoints", from which it continues',
      hint: `stores of checkpoints are ${storeWords}`,
    })
}

/**
 * Position of a run, in updates of its present settings. It depends on the share of finished epochs, not on the settings they ran with, so a
 * schedule that uses it ends with the run.
 */
export const positionOf = (
  { epoch, batchInEpoch }: Pick<RunState, 'epoch' | 'batchInEpoch'>,
  { accumulate = 1 }: Pick<FitOptions, 'accumulate'>,
  { stepsPerEpoch }: Pick<RunFigures, 'stepsPerEpoch'>,
): number => epoch * stepsPerEpoch + Math.floor(batchInEpoch / accumulate)

/** Updates and micro-batches of a run. @throws EffuseError EF701 if one update needs more rows than there are. */
export const figuresOf = ({ data, epochs, batch, accumulate = 1 }: FitOptions): RunFigures => {
  const globalBatch = batch * accumulate
  const { length } = data.train
  if (globalBatch > length)
    throw new EffuseError({
      code: 'EF701',
      message: `one update takes ${globalBatch} rows (batch ${batch}${accumulate === 1 ? '' : ` times accumulate ${accumulate}`}), but the training data has ${length}`,
      hint: 'use a smaller batch, or more data',
    })
  const stepsPerEpoch = Math.floor(length / globalBatch)
  return { stepsPerEpoch, steps: stepsPerEpoch * epochs, epochs, globalBatch }
}
