/**
 * Ops of the training step. The functions here compute the results of optimizers for `finite` = true; they run in one branch of a conditional
 * (lower-graph.ts). If `finite` is false, the other branch returns the old values.
 */
import type { OpName, TrainingOps } from '../../../ir/signatures.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction } from '../lowering.ts'
import type { TfOpName } from '../tf-ops.ts'
import type { TfType, TfValue } from '../types.ts'

/** Arithmetic on float32 tensors of one shape. The second operand may be a scalar. */
const arithmetic = (type: TfType, f: FunctionBuilder) => {
  const two =
    (name: TfOpName) =>
    (a: TfValue, b: TfValue | number): TfValue =>
      f.op(name, [a, typeof b === 'number' ? f.scalar('float32', b) : b], {}, type)
  const one =
    (name: TfOpName) =>
    (a: TfValue): TfValue =>
      f.op(name, [a], {}, type)
  return {
    add: two('AddV2'),
    sub: two('Sub'),
    mul: two('Mul'),
    div: two('RealDiv'),
    maximum: two('Maximum'),
    square: one('Square'),
    sqrt: one('Sqrt'),
    rsqrt: one('Rsqrt'),
    expm1: one('Expm1'),
    neg: one('Neg'),
  }
}

const scalar: TfType = { dtype: 'float32', shape: [] }

const lowerRmsprop: LowerFunction<'rmsprop'> = ({
  attrs: { rho, momentum, epsilon },
  inputs: [w, g, meanSquare, velocity, rate],
  types: [type],
  f,
}) => {
  const { add, sub, mul, square, rsqrt } = arithmetic(type, f)
  const squares = add(mul(meanSquare, rho), mul(square(g), 1 - rho))
  const step = add(mul(velocity, momentum), mul(mul(g, rsqrt(add(squares, epsilon))), rate))
  return [sub(w, step), squares, step]
}

const lowerSgd: LowerFunction<'sgd'> = ({
  attrs: { momentum, nesterov },
  inputs: [w, g, velocity, rate],
  types: [type],
  f,
}) => {
  const { add, sub, mul } = arithmetic(type, f)
  const pull = mul(g, rate)
  const step = sub(mul(velocity, momentum), pull)
  return [nesterov ? sub(add(w, mul(step, momentum)), pull) : add(w, step), step]
}

const lowerAdam: LowerFunction<'adam'> = ({
  attrs: { beta1, beta2, epsilon, weightDecay },
  inputs: [w, g, first, second, rate, step],
  types: [type],
  f,
}) => {
  const { add, sub, mul, div, square, sqrt } = arithmetic(type, f)
  const beside = arithmetic(scalar, f)
  const count = beside.add(f.cast(step, 'float32'), 1)
  // 1 - beta^t as -expm1(t * log(beta)), because the subtraction would lose digits.
  const correction = (beta: number): TfValue =>
    beta === 0 ? f.scalar('float32', 1) : beside.neg(beside.expm1(beside.mul(count, Math.log(beta))))
  const mean = add(mul(first, beta1), mul(g, 1 - beta1))
  const squares = add(mul(second, beta2), mul(square(g), 1 - beta2))
  const root = add(sqrt(div(squares, correction(beta2))), epsilon)
  const direction = div(div(mean, correction(beta1)), root)
  const decayed = weightDecay === 0 ? direction : add(direction, mul(w, weightDecay))
  return [sub(w, mul(decayed, rate)), mean, squares]
}

const lowerEma: LowerFunction<'ema'> = ({ attrs: { decay }, inputs: [average, value, step], types: [type], f }) => {
  const { add, sub, mul } = arithmetic(type, f)
  const beside = arithmetic(scalar, f)
  // 1 - min(decay, (1 + t) / (10 + t)) with t = step + 1, in a form that loses no digits.
  const share = beside.maximum(beside.div(f.scalar('float32', 9), beside.add(f.cast(step, 'float32'), 11)), 1 - decay)
  return [add(average, mul(sub(value, average), share))]
}

const flag: TfType = { dtype: 'bool', shape: [] }

const lowerAllFinite: LowerFunction<'allFinite'> = ({ inputs, types: [type], f }) => {
  const flags = inputs.map((x) => {
    const finite = f.op('IsFinite', [x], {}, { dtype: 'bool', shape: x.shape })
    return f.op('All', [finite, f.ints(x.shape.map((_, axis) => axis))], { keep_dims: attr.bool(false) }, flag)
  })
  const [first] = flags
  if (first !== undefined && flags.length === 1) return [first]
  const together = f.op(
    'Pack',
    flags,
    { N: attr.int(flags.length), axis: attr.int(0) },
    { dtype: 'bool', shape: [flags.length] },
  )
  return [f.op('All', [together, f.ints([0])], { keep_dims: attr.bool(false) }, type)]
}

/** The largest scale that may be doubled: twice this is the largest power of two in float32. */
const largestDoubled = 2 ** 126

const lowerLossScale: LowerFunction<'lossScaleUpdate'> = ({
  attrs: { interval, least },
  inputs: [scale, good, finite],
  types: [scaleType, countType],
  f,
}) => {
  const { mul, maximum } = arithmetic(scaleType, f)
  const choose = (condition: TfValue, yes: TfValue, no: TfValue, type: TfType): TfValue =>
    f.op('SelectV2', [condition, yes, no], {}, type)
  const count = f.op('AddV2', [good, f.scalar('int32', 1)], {}, countType)
  const isDue = f.op('GreaterEqual', [count, f.scalar('int32', interval)], {}, flag)
  const mayDouble = f.op('LessEqual', [scale, f.scalar('float32', largestDoubled)], {}, flag)
  const doubled = choose(f.op('LogicalAnd', [isDue, mayDouble], {}, flag), mul(scale, 2), scale, scaleType)
  const zero = f.scalar('int32', 0)
  return [
    choose(finite, doubled, maximum(mul(scale, 0.5), least), scaleType),
    choose(finite, choose(isDue, zero, count, countType), zero, countType),
  ]
}

export const trainingLowering: { readonly [K in keyof TrainingOps]: LowerFunction<K> } = {
  rmsprop: lowerRmsprop,
  sgd: lowerSgd,
  adam: lowerAdam,
  ema: lowerEma,
  allFinite: lowerAllFinite,
  lossScaleUpdate: lowerLossScale,
}

/** Ops with a guard. `old`: for each result, the operand that it equals if the guard is false. `guard`: the operand that is the guard. */
export const guardedOps: {
  readonly [K in OpName]?: { readonly old: readonly number[]; readonly guard: number } | undefined
} = {
  rmsprop: { old: [0, 2, 3], guard: 5 },
  sgd: { old: [0, 2], guard: 4 },
  adam: { old: [0, 2, 3], guard: 6 },
  ema: { old: [0], guard: 3 },
}
