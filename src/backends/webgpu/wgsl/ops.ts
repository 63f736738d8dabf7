/**
 * Elementwise ops as WGSL expressions, with a, b and c for the operands. Bools are bool, int32 is i32, floats are f32. Where WGSL may assume that no
 * NaN occurs, the expressions test bits. Where its functions may be inaccurate, they call functions of library.ts.
 */
import type { ElementwiseOps, OpAttrs } from '../../../ir/signatures.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import { literal } from './library.ts'

/** `operand` is the dtype of the operands. For a select it is the dtype of the condition. */
export type WgslExpression<K extends keyof ElementwiseOps> = (attrs: OpAttrs<K>, operand: DType) => string

/** For floats, and for int32 and bool where they differ. */
const plain =
  (float: string, int = float): ((attrs: object, operand: DType) => string) =>
  (_, operand) =>
    isFloat(operand) ? float : int

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

export const wgslOps: { readonly [K in keyof ElementwiseOps]: WgslExpression<K> } = {
  // Flips the sign bit, because 0 - a would lose the sign of zero and may lose that of NaN.
  neg: plain('bitcast<f32>(bitcast<u32>(a) ^ 0x80000000u)', '-a'),
  abs: plain('bitcast<f32>(bitcast<u32>(a) & 0x7fffffffu)', 'select(a, -a, a < 0)'),
  sign: plain(`select(${sign}, a, isnan(a))`, 'sign(a)'),
  floor: plain('floor(a)'),
  ceil: plain('ceil(a)'),
  round: plain('round(a)'),
  exp: plain('exponential(a)'),
  expm1: plain('exponentialMinus1(a)'),
  log: plain('logarithm(a)'),
  log1p: plain('logarithm1Plus(a)'),
  sqrt: plain('squareRoot(a)'),
  rsqrt: plain('1.0 / squareRoot(a)'),
  reciprocal: plain('1.0 / a'),
  sin: plain('sine(a)'),
  cos: plain('cosine(a)'),
  tanh: plain('hyperbolicTangent(a)'),
  erf: plain('errorFunction(a)'),
  sigmoid: plain('logistic(a)'),
  softplus: plain('softPlus(a)'),
  relu: plain('largest(a, 0.0)'),
  relu6: plain('smallest(largest(a, 0.0), 6.0)'),
  elu: plain('exponentialUnit(a)'),
  selu: plain(
    `${literal(1.0507009873554805, 'float32')} * select(${literal(1.6732632423543772, 'float32')} * exponentialMinus1(a), a, a > 0.0)`,
  ),
  not: plain('!a'),
  isFinite: plain('isFinite32(a)'),
  add: plain('a + b'),
  sub: plain('a - b'),
  mul: plain('a * b'),
  div: plain('a / b', 'quotientInt(a, b)'),
  pow: plain('power(a, b)'),
  maximum: plain('largest(a, b)', 'max(a, b)'),
  minimum: plain('smallest(a, b)', 'min(a, b)'),
  remainder: plain('remainder32(a, b)', 'remainderInt(a, b)'),
  and: plain('a && b'),
  or: plain('a || b'),
  compare: ({ direction }, operand) => comparison(direction, operand),
  select: () => 'select(c, b, a)',
  cast: ({ to }, operand) => castExpression(operand, to),
}
