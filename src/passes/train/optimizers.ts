/** Optimizers as plain data, and the table that defines how each turns a gradient into updates. */
import { type Check, checkPresent, checkRecord, isFloat32, flag } from '../../ir/check-record.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import type { Initializer } from '../../ir/initializers.ts'
import type { Value } from '../../ir/value.ts'
import { checkedSchedule } from './check-schedule.ts'
import { type Rate, type Schedule, scheduleOf } from './schedules.ts'

/** The rule that turns a gradient into an update. The learning rate is a value of the graph. */
export type UpdateRule =
  | {
      readonly kind: 'rmsprop'
      readonly rho: number
      readonly momentum: number
      readonly epsilon: number
      readonly initialMeanSquare: number
    }
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean }
  | {
      readonly kind: 'adam'
      readonly beta1: number
      readonly beta2: number
      readonly epsilon: number
      readonly weightDecay: number
    }
export type Optimizer = { readonly learningRate: Schedule } & UpdateRule

/** The rule of an optimizer, without its learning rate. */
export const ruleOf = ({ learningRate: _, ...rule }: Optimizer): UpdateRule => rule

/** The learning rate of every optimizer: a number or a schedule. */
interface Rated {
  readonly learningRate: Rate
}
export interface RmspropOptions extends Rated {
  /** Weight of the old mean square; default 0.9. */
  readonly rho?: number | undefined
  /** Default 0.9. */
  readonly momentum?: number | undefined
  /** Inside the root; default 1e-3. */
  readonly epsilon?: number | undefined
  /** Initial value of the mean square; default 0. */
  readonly initialMeanSquare?: number | undefined
}
export interface SgdOptions extends Rated {
  /** Default 0. */
  readonly momentum?: number | undefined
  /** Default false. */
  readonly nesterov?: boolean | undefined
}
export interface AdamOptions extends Rated {
  /** Default 0.9. */
  readonly beta1?: number | undefined
  /** Default 0.999. */
  readonly beta2?: number | undefined
  /** Beside the root; default 1e-7. */
  readonly epsilon?: number | undefined
}
export interface AdamwOptions extends AdamOptions {
  /** Share of a weight that each step subtracts, times the learning rate; default 0.004. */
  readonly weightDecay?: number | undefined
}

/**
 * RMSprop (Tieleman and Hinton 2012) as in the EfficientNet reference: epsilon is inside the root. `initialMeanSquare` 1 (as in TensorFlow 1)
 * gives much smaller first steps.
 *
 * @throws EffuseError EF403 (options).
 * @example
 * rmsprop({ learningRate: cosine({ initial: 0.016, steps: 10000 }), initialMeanSquare: 1 })
 */
export const rmsprop = (options: RmspropOptions): Optimizer =>
  optimizer('rmsprop', { kind: 'rmsprop', rho: 0.9, momentum: 0.9, epsilon: 1e-3, initialMeanSquare: 0 }, options)
/**
 * Gradient descent with momentum, as in Keras.
 *
 * @throws EffuseError EF403 (options).
 * @example
 * sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })
 */
export const sgd = (options: SgdOptions): Optimizer =>
  optimizer('sgd', { kind: 'sgd', momentum: 0, nesterov: false }, options)
/**
 * Adam with bias correction (Kingma and Ba 2014).
 *
 * @throws EffuseError EF403 (options).
 * @example
 * adam({ learningRate: 1e-3 })
 */
export const adam = (options: AdamOptions): Optimizer =>
  optimizer('adam', { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0 }, options, adamChecks)
/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2017).
 *
 * @throws EffuseError EF403 (options).
 * @example
 * adamw({ learningRate: warmup(cosine({ initial: 1e-3, steps: 10000 }), { steps: 500 }), weightDecay: 0.05 })
 */
export const adamw = (options: AdamwOptions): Optimizer =>
  optimizer('adamw', { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.004 }, options)

const share: Check = ['a number from 0 to below 1', (v) => isFloat32(v) && v >= 0 && v < 1]
const atLeast0: Check = ['a number of at least 0', (v) => isFloat32(v) && v >= 0]
const adamChecks = { beta1: share, beta2: share, epsilon: atLeast0 }
const checks: { readonly [K in UpdateRule['kind']]: { readonly [setting: string]: Check } } = {
  rmsprop: { rho: share, momentum: share, epsilon: atLeast0, initialMeanSquare: atLeast0 },
  sgd: { momentum: share, nesterov: flag },
  adam: { ...adamChecks, weightDecay: atLeast0 },
}
// scheduleOf() reports an invalid one.
const rateCheck: Check = ['a number or a schedule such as cosine({ initial, steps })', () => true]

/** The rule with the options in place of its defaults. @throws EffuseError EF403 */
const optimizer = (
  name: string,
  defaults: UpdateRule,
  options: Rated,
  settings: { readonly [name: string]: Check } = checks[defaults.kind],
): Optimizer => {
  checkRecord(`${name}()`, `${name}.`, options, { learningRate: rateCheck, ...settings })
  checkPresent(`${name}()`, options, { learningRate: rateCheck })
  const { learningRate, ...given } = options
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...defaults, ...said, learningRate: scheduleOf(learningRate) }
}

/** Checks an optimizer of trainingStep(), which may be written by hand. @throws EffuseError EF403 */
export const checkOptimizer = (given: Optimizer): void => {
  const { kind, learningRate, ...settings } = given
  if (!Object.hasOwn(checks, kind))
    throw new EffuseError({
      code: 'EF403',
      message: `an optimizer is one of ${Object.keys(checks).join(', ')}, got ${showGiven(given)}`,
      hint: 'rmsprop(), sgd(), adam() and adamw() make them',
    })
  checkedSchedule(learningRate)
  checkRecord(`the optimizer ${kind}`, `${kind}.`, settings, checks[kind])
  checkPresent(`the optimizer ${kind}`, settings, checks[kind])
}

/** Names and initial values of an optimizer's slots. */
export const slotsOf = (optimizer: UpdateRule): readonly (readonly [name: string, init: Initializer])[] => {
  switch (optimizer.kind) {
    case 'rmsprop':
      return [
        ['meanSquare', { kind: 'constant', value: optimizer.initialMeanSquare }],
        ['momentum', { kind: 'zeros' }],
      ]
    case 'sgd':
      return [['momentum', { kind: 'zeros' }]]
    case 'adam':
      return [
        ['firstMoment', { kind: 'zeros' }],
        ['secondMoment', { kind: 'zeros' }],
      ]
  }
}

export interface StepValues {
  readonly rate: Value
  /** int32 []. */
  readonly step: Value
  /** bool []: if false, nothing changes. */
  readonly finite: Value
}

/** The new variable and the new slots, in the slots' order: one composite node. */
export const emitOptimizer = (
  optimizer: UpdateRule,
  variable: Value,
  gradient: Value,
  slots: readonly Value[],
  { rate, step, finite }: StepValues,
): readonly Value[] => {
  const b = gradient.builder
  switch (optimizer.kind) {
    case 'rmsprop':
      return b.emit('rmsprop', [variable, gradient, ...slots, rate, finite], {
        rho: optimizer.rho,
        momentum: optimizer.momentum,
        epsilon: optimizer.epsilon,
      })
    case 'sgd':
      return b.emit('sgd', [variable, gradient, ...slots, rate, finite], {
        momentum: optimizer.momentum,
        nesterov: optimizer.nesterov,
      })
    case 'adam': {
      const { beta1, beta2, epsilon, weightDecay } = optimizer
      return b.emit('adam', [variable, gradient, ...slots, rate, step, finite], { beta1, beta2, epsilon, weightDecay })
    }
  }
}
