/** Optimizers as plain data, and the one table of how each turns a gradient into updates. */
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import type { Initializer } from '../../ir/initializers.ts'
import type { Value } from '../../ir/value.ts'
import { type Rate, type Schedule, scheduleOf } from './schedules.ts'

/** How a gradient becomes an update; the learning rate is a value of the graph. */
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

/** The rule of an optimizer, without its rate. */
export const ruleOf = ({ learningRate: _, ...rule }: Optimizer): UpdateRule => rule

/** RMSprop of the EfficientNet reference: epsilon inside the root; `initialMeanSquare` 1 is far calmer in the first steps (TensorFlow 1). */
export const rmsprop = ({
  learningRate,
  ...of
}: {
  readonly learningRate: Rate
  readonly rho?: number
  readonly momentum?: number
  readonly epsilon?: number
  readonly initialMeanSquare?: number
}): Optimizer =>
  checked({
    kind: 'rmsprop',
    rho: 0.9,
    momentum: 0.9,
    epsilon: 1e-3,
    initialMeanSquare: 0,
    ...of,
    learningRate: scheduleOf(learningRate),
  })
/** Gradient descent with momentum, as Keras has it. */
export const sgd = ({
  learningRate,
  ...of
}: {
  readonly learningRate: Rate
  readonly momentum?: number
  readonly nesterov?: boolean
}): Optimizer => checked({ kind: 'sgd', momentum: 0, nesterov: false, ...of, learningRate: scheduleOf(learningRate) })
/** Adam with bias correction. */
export const adam = (of: {
  readonly learningRate: Rate
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
}): Optimizer => adamw({ weightDecay: 0, ...of })
/** Adam with decoupled weight decay. */
export const adamw = ({
  learningRate,
  ...of
}: {
  readonly learningRate: Rate
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  readonly weightDecay?: number
}): Optimizer =>
  checked({
    kind: 'adam',
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    weightDecay: 0.004,
    ...of,
    learningRate: scheduleOf(learningRate),
  })

type Check = readonly [expects: string, accepts: (value: unknown) => boolean]
const isNumber = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(v)
const share: Check = ['a number from 0 to below 1', (v) => isNumber(v) && v >= 0 && v < 1]
const atLeast0: Check = ['a number of at least 0', (v) => isNumber(v) && v >= 0]
const checks: { readonly [K in UpdateRule['kind']]: { readonly [setting: string]: Check } } = {
  rmsprop: { rho: share, momentum: share, epsilon: atLeast0, initialMeanSquare: atLeast0 },
  sgd: { momentum: share, nesterov: ['true or false', (v) => typeof v === 'boolean'] },
  adam: { beta1: share, beta2: share, epsilon: atLeast0, weightDecay: atLeast0 },
}
/** @throws EffuseError EF403 */
const checked = (optimizer: Optimizer): Optimizer => {
  const { kind, learningRate: _, ...settings } = optimizer
  for (const [name, value] of Object.entries(settings)) {
    const check = Object.hasOwn(checks[kind], name) ? checks[kind][name] : undefined
    if (check?.[1](value) === true) continue
    const what = check === undefined ? 'is no setting of it' : `must be ${check[0]}, got ${showGiven(value)}`
    throw new EffuseError({ code: 'EF403', message: `optimizer ${kind}: "${name}" ${what}` })
  }
  return optimizer
}

/** Names of an optimizer's slots and what they start with. */
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
  /** bool []: false leaves everything as it is. */
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
