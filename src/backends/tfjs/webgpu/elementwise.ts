/**
 * Elementwise ops as WGSL expressions (mapped.ts). tfjs's kernels compute some int32 ops in float32, lose NaN in relu, maximum and sign, and use WGSL's
 * inaccurate functions; effuse's programs are as fast.
 */
import type { ElementwiseOps, OpAttrs } from '../../../ir/signatures.ts'
import { isFloat, type DType, type Node, type Type } from '../../../ir/types.ts'
import type { Lowering } from '../lowering.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { mapped } from './mapped.ts'
import { literal } from './wgsl.ts'

interface Args<In extends readonly View[]> {
  readonly node: Node
  readonly inputs: In
  readonly types: readonly [Type]
  readonly planner: Planner
}
type Unary = (args: Args<readonly [View]>) => readonly [View]
type Binary = (args: Args<readonly [View, View]>) => readonly [View]

/** Expressions of a (and b) for floats, and for int32 if they differ. */
const unary =
  (float: string, int = float): Unary =>
  ({ node, inputs, types: [type], planner }) => [
    mapped({ name: node.op, inputs, type, expression: isFloat(inputs[0].type.dtype) ? float : int }, planner),
  ]
const binary =
  (float: string, int = float): Binary =>
  ({ node, inputs, types: [type], planner }) => [
    mapped({ name: node.op, inputs, type, expression: isFloat(inputs[0].type.dtype) ? float : int }, planner),
  ]

const comparisons: { readonly [D in OpAttrs<'compare'>['direction']]: string } = {
  eq: 'a == b',
  ne: 'a != b',
  lt: 'a < b',
  le: 'a <= b',
  gt: 'a > b',
  ge: 'a >= b',
}

/** With NaN all comparisons except `ne` are false. WGSL does not guarantee this, so the expressions test for NaN. */
const comparison = (direction: OpAttrs<'compare'>['direction'], dtype: DType): string => {
  const plain = comparisons[direction]
  if (dtype === 'bool') return direction === 'eq' || direction === 'ne' ? plain : comparison(direction, 'int32')
  if (!isFloat(dtype)) return plain
  return direction === 'ne' ? `(${plain}) || isnan(a) || isnan(b)` : `(${plain}) && !isnan(a) && !isnan(b)`
}

/** Half types were rejected before, so floats are float32. */
const castExpression = (from: DType, to: DType): string => {
  if (isFloat(to)) return from === 'bool' ? 'select(0.0, 1.0, a)' : 'f32(a)'
  if (to === 'int32') return from === 'bool' ? 'select(0, 1, a)' : 'toInt(a)'
  return isFloat(from) ? '(bitcast<u32>(a) & 0x7fffffffu) != 0u' : 'a != 0'
}

/** Bit-exact: keeps every NaN and the sign of zero. */
const sign = 'select(select(a, 1.0, a > 0.0), -1.0, a < 0.0)'

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]: Lowering<K> } = {
  // Flips the sign bit, because 0 - a would lose the sign of zero and may lose that of NaN.
  neg: unary('bitcast<f32>(bitcast<u32>(a) ^ 0x80000000u)', '-a'),
  abs: unary('bitcast<f32>(bitcast<u32>(a) & 0x7fffffffu)', 'select(a, -a, a < 0)'),
  sign: unary(`select(${sign}, a, isnan(a))`, 'sign(a)'),
  floor: unary('floor(a)'),
  ceil: unary('ceil(a)'),
  round: unary('round(a)'),
  exp: unary('exponential(a)'),
  expm1: unary('exponentialMinus1(a)'),
  log: unary('logarithm(a)'),
  log1p: unary('logarithm1Plus(a)'),
  sqrt: unary('squareRoot(a)'),
  rsqrt: unary('1.0 / squareRoot(a)'),
  reciprocal: unary('1.0 / a'),
  sin: unary('sine(a)'),
  cos: unary('cosine(a)'),
  tanh: unary('hyperbolicTangent(a)'),
  erf: unary('errorFunction(a)'),
  sigmoid: unary('logistic(a)'),
  softplus: unary('softPlus(a)'),
  relu: unary('largest(a, 0.0)'),
  relu6: unary('smallest(largest(a, 0.0), 6.0)'),
  elu: unary('exponentialUnit(a)'),
  selu: unary(
    `${literal(1.0507009873554805, 'float32')} * select(${literal(1.6732632423543772, 'float32')} * exponentialMinus1(a), a, a > 0.0)`,
  ),
  not: unary('!a'),
  isFinite: unary('isFinite32(a)'),
  add: binary('a + b'),
  sub: binary('a - b'),
  mul: binary('a * b'),
  div: binary('a / b', 'quotientInt(a, b)'),
  pow: binary('power(a, b)'),
  maximum: binary('largest(a, b)', 'max(a, b)'),
  minimum: binary('smallest(a, b)', 'min(a, b)'),
  remainder: binary('remainder32(a, b)', 'remainderInt(a, b)'),
  and: binary('a && b'),
  or: binary('a || b'),
  compare: ({ node, attrs: { direction }, inputs, types: [type], planner }) => [
    mapped({ name: node.op, inputs, type, expression: comparison(direction, inputs[0].type.dtype) }, planner),
  ],
  // Flag and branches stay on the device, so nothing is read back.
  select: ({ node, inputs: [condition, a, b], types: [type], planner }) => {
    const isScalar = condition.type.shape.length === 0
    const flag = isScalar
      ? { ...condition, shape: type.shape.map(() => 1), type: { ...type, dtype: 'bool' as const } }
      : condition
    return [mapped({ name: node.op, inputs: [flag, a, b], type, expression: 'select(c, b, a)' }, planner)]
  },
  cast: ({ node, inputs: [x], types: [type], planner }) => {
    const from = x.type.dtype
    if (from === type.dtype || (isFloat(from) && isFloat(type.dtype))) return [{ ...x, type }]
    return [mapped({ name: node.op, inputs: [x], type, expression: castExpression(from, type.dtype) }, planner)]
  },
}
