/**
 * Optimizers, averages, the finite check and the loss scale, all on the device; the flag is an ordinary operand. A program has one result, so a rule
 * needs one program per result: first those of the new slots, then that of the variable. If the flag is false, the old values stay (C3).
 */
import type { TrainingOps } from '../../../ir/signatures.ts'
import { elements, type Type } from '../../../ir/types.ts'
import { as, made } from '../lower/shared.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { mapped } from './mapped.ts'
import { operandGroups } from './operand-groups.ts'
import { Parameters } from './parameters.ts'
import { literal } from '../../webgpu/wgsl/library.ts'

/** A scalar, broadcast to this shape. */
const beside = (scalar: View, { shape }: Type): View => ({
  ...scalar,
  shape: shape.map(() => 1),
  type: { dtype: scalar.type.dtype, shape },
})

const f32 = (value: number): string => literal(value, 'float32')

const lowerRmsprop: LowerFunction<'rmsprop'> = ({
  attrs: { rho, momentum, epsilon },
  inputs: [w, g, meanSquare, velocity, rate, finite],
  types: [type],
  planner,
}) => {
  const [lr, flag] = [beside(rate, type), beside(finite, type)]
  const rule = (expression: string, ...inputs: readonly View[]): View =>
    mapped({ name: 'rmsprop', inputs, type, expression }, planner)
  const square = rule(`select(b, ${f32(rho)} * b + ${f32(1 - rho)} * a * a, c)`, g, meanSquare, flag)
  const pull = `d * a / squareRoot(b + ${f32(epsilon)})`
  const step = rule(`select(c, ${f32(momentum)} * c + ${pull}, e)`, g, square, velocity, lr, flag)
  return [rule('select(a, a - b, c)', w, step, flag), square, step]
}

const lowerSgd: LowerFunction<'sgd'> = ({
  attrs: { momentum, nesterov },
  inputs: [w, g, velocity, rate, finite],
  types: [type],
  planner,
}) => {
  const [lr, flag] = [beside(rate, type), beside(finite, type)]
  const rule = (expression: string, ...inputs: readonly View[]): View =>
    mapped({ name: 'sgd', inputs, type, expression }, planner)
  const step = rule(`select(b, ${f32(momentum)} * b - c * a, d)`, g, velocity, lr, flag)
  return nesterov
    ? [rule(`select(a, a + ${f32(momentum)} * b - d * c, e)`, w, step, g, lr, flag), step]
    : [rule('select(a, a + b, c)', w, step, flag), step]
}

const lowerAdam: LowerFunction<'adam'> = ({
  attrs: { beta1, beta2, epsilon, weightDecay },
  inputs: [w, g, first, second, rate, step, finite],
  types: [type],
  planner,
}) => {
  const [lr, t, flag] = [beside(rate, type), beside(step, type), beside(finite, type)]
  const rule = (expression: string, ...inputs: readonly View[]): View =>
    mapped({ name: 'adam', inputs, type, expression }, planner)
  const mean = rule(`select(b, ${f32(beta1)} * b + ${f32(1 - beta1)} * a, c)`, g, first, flag)
  const square = rule(`select(b, ${f32(beta2)} * b + ${f32(1 - beta2)} * a * a, c)`, g, second, flag)
  // 1 - beta^t by expm1, because the difference would cancel.
  const correction = (beta: number): string =>
    beta === 0 ? '1.0' : `(-exponentialMinus1(f32(e + 1) * ${f32(Math.log(beta))}))`
  const root = `(squareRoot(c / ${correction(beta2)}) + ${f32(epsilon)})`
  const change = `d * (b / ${correction(beta1)} / ${root} + ${f32(weightDecay)} * a)`
  return [rule(`select(a, a - ${change}, f)`, w, mean, square, lr, t, flag), mean, square]
}

const lowerEma: LowerFunction<'ema'> = ({
  attrs: { decay },
  inputs: [average, value, step, finite],
  types: [type],
  planner,
}) => {
  // 1 - min(decay, (1 + t) / (10 + t)) with t = step + 1, without cancellation.
  const share = `max(${f32(1 - decay)}, 9.0 / (11.0 + f32(c)))`
  const expression = `select(a, a + ${share} * (b - a), d)`
  const inputs = [average, value, beside(step, type), beside(finite, type)]
  return [mapped({ name: 'ema', inputs, type, expression }, planner)]
}

/** The number of invocations that check a group of tensors. Each one writes a flag. */
const flagCount = 512

/** Checks up to seven tensors at a time, then up to seven arrays of flags at a time, until one array is left. */
const lowerAllFinite: LowerFunction<'allFinite'> = ({ inputs, planner, types: [type] }) => {
  const flags: Type = { dtype: 'bool', shape: [flagCount] }
  const looks = operandGroups(inputs.map((view) => planner.dense(view))).map((group): Operand => {
    const p = new Parameters()
    const loops = group.map(({ shape }, at) => {
      const size = elements(shape)
      return `for (var k = i; k < ${p.u(size)}; k = k + ${flagCount}u) { if (!isFinite32(x${at}[k])) { flag = 0; } }`
    })
    const body = `var flag = 1;\n  ${loops.join('\n  ')}\n  result[i] = flag;`
    return { ...flags, slot: planner.shader('allFinite', group, flags, { body, parameters: p }) }
  })
  const last = joint(looks, flags, planner)
  const body = `var flag = 1;
  for (var k = 0u; k < ${flagCount}u; k = k + 1u) { flag = flag & x0[k]; }
  result[i] = flag;`
  return [made(planner.shader('allFinite', [as(last, [flagCount])], type, { body }), type)]
}

const joint = (arrays: readonly Operand[], flags: Type, planner: Planner): Operand => {
  const [first] = arrays as readonly [Operand] // there is at least the one of the op's first operand
  if (arrays.length === 1) return first
  const next = operandGroups(arrays).map((group): Operand => {
    const body = `result[i] = ${group.map((_, at) => `x${at}[i]`).join(' & ')};`
    return { ...flags, slot: planner.shader('allFinite', group, flags, { body }) }
  })
  return joint(next, flags, planner)
}

const lowerLossScale: LowerFunction<'lossScaleUpdate'> = ({
  attrs: { interval, least },
  inputs: [scale, good, finite],
  types,
  planner,
}) => {
  const inputs = [scale, good, finite]
  const isDue = `b + 1 >= ${literal(interval, 'int32')}`
  const grown = `select(a, select(a, a * 2.0, a <= ${f32(2 ** 126)}), ${isDue})`
  const rule = (expression: string, type: Type): View =>
    mapped({ name: 'lossScaleUpdate', inputs, type, expression }, planner)
  return [
    rule(`select(max(a * 0.5, ${f32(least)}), ${grown}, c)`, types[0]),
    mapped(
      {
        name: 'lossScaleUpdate',
        inputs: [good, finite],
        type: types[1],
        expression: `select(0, select(a + 1, 0, a + 1 >= ${literal(interval, 'int32')}), b)`,
      },
      planner,
    ),
  ]
}

export const trainingLowering: { readonly [K in keyof TrainingOps]: Lowering<K> } = {
  rmsprop: lowerRmsprop,
  sgd: lowerSgd,
  adam: lowerAdam,
  ema: lowerEma,
  allFinite: lowerAllFinite,
  lossScaleUpdate: lowerLossScale,
}
