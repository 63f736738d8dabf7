/** The training passes by name; optimizers and schedules are plain data, so their options are JSON. */
import type { CheckFor } from '../../ir/check-record.ts'
import { isNumber, optionOf, plain, type PassFactory } from '../pass-factory.ts'
import type { Pass } from '../pass.ts'
import { accumulate } from './accumulate.ts'
import { applyOptimizer } from './apply-optimizer.ts'
import { clip } from './clip.ts'
import { guardUpdates } from './guard-updates.ts'
import { learningRate } from './learning-rate.ts'
import { isPowerOfTwo, type LossScale, scaleLoss, unscale } from './loss-scale.ts'
import { movingAverages } from './moving-averages.ts'
import { ruleOf, sgd, type UpdateRule } from './optimizers.ts'
import type { Schedule } from './schedules.ts'
import { weightDecay, weightDecayLoss } from './weight-decay.ts'

type Test = (value: unknown) => boolean
/** Checks of the fields of T. */
type Fields<T> = { readonly [K in Exclude<keyof T, 'kind'>]: Test }
/** Every kind of a union of records with its fields. */
type Kinds<U extends { readonly kind: string }> = {
  readonly [K in U['kind']]: Fields<Extract<U, { readonly kind: K }>>
}

const isFlag: Test = (value) => typeof value === 'boolean'
const isNumbers: Test = (value) => Array.isArray(value) && value.every(isNumber)

/** Is it a record of one of the kinds, with that kind's fields and no others? */
const isOneOf =
  <U extends { readonly kind: string }>(kinds: Kinds<U>) =>
  (value: unknown): value is U => {
    if (typeof value !== 'object' || value === null || !('kind' in value)) return false
    const { kind, ...rest } = value
    if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) return false
    const fields = Object.entries<Test>(kinds[kind as U['kind']]) // an own key of the table
    const given: { readonly [name: string]: unknown } = rest
    return fields.length === Object.keys(given).length && fields.every(([name, accepts]) => accepts(given[name]))
  }

const scheduleKinds: Kinds<Schedule> = {
  constant: { value: isNumber },
  cosine: { initial: isNumber, steps: isNumber },
  exponential: { initial: isNumber, rate: isNumber, every: isNumber, staircase: isFlag },
  piecewise: { boundaries: isNumbers, values: isNumbers },
  linearCosine: { initial: isNumber, steps: isNumber, alpha: isNumber, beta: isNumber, numPeriods: isNumber },
  warmup: { steps: isNumber, after: (value) => isSchedule(value) },
  shifted: { by: isNumber, after: (value) => isSchedule(value) },
}
const isSchedule = isOneOf<Schedule>(scheduleKinds)

const isRule = isOneOf<UpdateRule>({
  rmsprop: { rho: isNumber, momentum: isNumber, epsilon: isNumber, initialMeanSquare: isNumber },
  sgd: { momentum: isNumber, nesterov: isFlag },
  adam: { beta1: isNumber, beta2: isNumber, epsilon: isNumber, weightDecay: isNumber },
})

const scaleWords = "'none', 'dynamic' or a power of two; default 'none'"
const aScale: CheckFor<LossScale> = [scaleWords, (v) => v === 'none' || v === 'dynamic' || isPowerOfTwo(v)]
const scaleOf = (pass: string, value: unknown): LossScale => optionOf(pass, 'lossScale', value, aScale) ?? 'none'

const aSchedule: CheckFor<Schedule> = ['a schedule as data', isSchedule]
const aRule: CheckFor<UpdateRule> = ['an optimizer without its rate as data', isRule]
const severalSteps: CheckFor<number> = [
  'an integer of at least 2',
  (v): v is number => Number.isSafeInteger(v) && Number(v) >= 2,
]

/** A pass with one number. */
const numeric = (
  name: string,
  option: string,
  expects: string,
  accepts: (value: number) => boolean,
  preset: number,
  make: (value: number) => Pass,
): PassFactory => ({
  name,
  options: { [option]: `${expects}; default ${preset}` },
  make: (options) => {
    const check: CheckFor<number> = [expects, (v): v is number => isNumber(v) && accepts(v)]
    return make(optionOf(name, option, options[option], check) ?? preset)
  },
})
const atLeast0 = (value: number): boolean => value >= 0

/** The factories, in the order of the pipeline. */
export const trainingFactories: readonly PassFactory[] = [
  {
    name: 'scale-loss',
    options: { lossScale: scaleWords },
    make: ({ lossScale }) => scaleLoss(scaleOf('scale-loss', lossScale)),
  },
  {
    name: 'unscale',
    options: { lossScale: scaleWords },
    make: ({ lossScale }) => unscale(scaleOf('unscale', lossScale)),
  },
  plain(guardUpdates),
  numeric('weight-decay-loss', 'lambda', 'a number of at least 0', atLeast0, 0, weightDecayLoss),
  {
    name: 'learning-rate',
    options: { schedule: 'a schedule as data, {"kind":"cosine","initial":0.1,"steps":1000}; default constant 0.01' },
    make: ({ schedule }) =>
      learningRate(
        optionOf('learning-rate', 'schedule', schedule, aSchedule) ?? {
          kind: 'constant',
          value: 0.01,
        },
      ),
  },
  {
    name: 'accumulate',
    options: { steps: 'micro-batches for each update; default 2' },
    make: ({ steps }) => accumulate(optionOf('accumulate', 'steps', steps, severalSteps) ?? 2),
  },
  numeric('weight-decay', 'lambda', 'a number of at least 0', atLeast0, 0, weightDecay),
  numeric('clip', 'longest', 'a positive number', (x) => x > 0, 1, clip),
  {
    name: 'apply-optimizer',
    options: {
      rule: 'an optimizer without its rate as data, {"kind":"sgd","momentum":0.9,"nesterov":false}; default plain gradient descent',
      lossScale: scaleWords,
    },
    make: ({ rule, lossScale }) =>
      applyOptimizer(
        optionOf('apply-optimizer', 'rule', rule, aRule) ?? ruleOf(sgd({ learningRate: 0 })),
        scaleOf('apply-optimizer', lossScale),
      ),
  },
  numeric('moving-averages', 'decay', 'a number between 0 and 1', (x) => x > 0 && x < 1, 0.9999, movingAverages),
]
