/** Elementwise functions: arithmetic, comparisons, logic. A number or a smaller second operand broadcasts to the first. */
import type { BinaryOp, UnaryOp } from '../emitter.ts'
import type { OpAttrs } from '../signatures.ts'
import type { DType, Float } from '../types.ts'
import type { Value } from '../value.ts'
import { type Binary, checkBroadcast, type Comparison, emitterOf, type Logical, type Unary } from './shared.ts'

// The emitter knows dtypes and ranks only at run time; these four lines say what follows from the ops' type rules.
const unary = (op: UnaryOp): Unary => ((x: Value) => emitterOf(op, x).unary(op, x)) as Unary
const binary = (op: BinaryOp): Binary =>
  ((a: Value, b: Value | number) => {
    checkBroadcast(op, a, b)
    return a.builder.binary(op, a, b)
  }) as Binary
const comparison = (direction: OpAttrs<'compare'>['direction'], name: string): Comparison =>
  ((a: Value, b: Value | number) => {
    checkBroadcast(name, a, b)
    return a.builder.compare(direction, a, b)
  }) as Comparison
const logical = (op: 'and' | 'or'): Logical => binary(op) // for bool only

/** -x. */
export const neg: Unary = unary('neg')
/** |x|. */
export const abs: Unary = unary('abs')
/** -1, 0 or 1 by the sign of x. */
export const sign: Unary = unary('sign')
/** Rounds down. */
export const floor: Unary = unary('floor')
/** Rounds up. */
export const ceil: Unary = unary('ceil')
/** Rounds to the nearest integer, halfway to the even one. */
export const round: Unary = unary('round')
/** e to the x. */
export const exp: Unary = unary('exp')
/** exp(x) - 1, exact near 0. */
export const expm1: Unary = unary('expm1')
/** Natural logarithm. */
export const log: Unary = unary('log')
/** log(1 + x), exact near 0. */
export const log1p: Unary = unary('log1p')
/** Square root. */
export const sqrt: Unary = unary('sqrt')
/** 1 / sqrt(x). */
export const rsqrt: Unary = unary('rsqrt')
/** 1 / x. */
export const reciprocal: Unary = unary('reciprocal')
/** Sine of radians. */
export const sin: Unary = unary('sin')
/** Cosine of radians. */
export const cos: Unary = unary('cos')
/** Hyperbolic tangent. */
export const tanh: Unary = unary('tanh')
/** The error function. */
export const erf: Unary = unary('erf')
/** 1 / (1 + exp(-x)). */
export const sigmoid: Unary = unary('sigmoid')
/** log(1 + exp(x)). */
export const softplus: Unary = unary('softplus')
/** max(x, 0). */
export const relu: Unary = unary('relu')
/** min(max(x, 0), 6). */
export const relu6: Unary = unary('relu6')
/** x above 0, exp(x) - 1 below. */
export const elu: Unary = unary('elu')
/** The self-normalising elu. */
export const selu: Unary = unary('selu')
/** x * sigmoid(x), also called swish. */
export const silu: Unary = unary('silu')

/** a + b. */
export const add: Binary = binary('add')
/** a - b. */
export const sub: Binary = binary('sub')
/** a * b. */
export const mul: Binary = binary('mul')
/** a / b; int32 truncates toward zero. */
export const div: Binary = binary('div')
/** a to the b. */
export const pow: Binary = binary('pow')
/** The larger of two; NaN if one is. */
export const maximum: Binary = binary('maximum')
/** The smaller of two; NaN if one is. */
export const minimum: Binary = binary('minimum')
/** What is left of a / b, with the sign of a. */
export const remainder: Binary = binary('remainder')

/** a == b, elementwise. */
export const equal: Comparison = comparison('eq', 'equal')
/** a != b. */
export const notEqual: Comparison = comparison('ne', 'notEqual')
/** a < b. */
export const less: Comparison = comparison('lt', 'less')
/** a <= b. */
export const lessEqual: Comparison = comparison('le', 'lessEqual')
/** a > b. */
export const greater: Comparison = comparison('gt', 'greater')
/** a >= b. */
export const greaterEqual: Comparison = comparison('ge', 'greaterEqual')

/** Both. */
export const and: Logical = logical('and')
/** One at least. */
export const or: Logical = logical('or')
/** Not x. */
export const not = <R extends number>(x: Value<'bool', R>): Value<'bool', R> =>
  emitterOf('not', x).unary('not', x) as Value<'bool', R>
/** True where x is neither NaN nor infinite. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the op's name, imported by those who want it.
export const isFinite = <R extends number>(x: Value<Float, R>): Value<'bool', R> =>
  emitterOf('isFinite', x).unary('isFinite', x) as Value<'bool', R>

/**
 * `a` where the condition is true, `b` elsewhere, of a's shape and dtype. The bool condition is a scalar or of a's shape; b broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes, or a condition that is no bool).
 * @example
 * graph('clipped', { x: float32('batch', 3) }, ({ x }) => ({ y: select(greater(x, 1), mul(x, 0), x) }))
 */
export const select = <D extends DType, R extends number>(
  condition: Value<'bool'>,
  a: Value<D, R>,
  b: Value<NoInfer<D>> | number,
): Value<D, R> => {
  emitterOf('select', condition)
  checkBroadcast('select', a, b)
  return a.builder.select(condition, a, b) as Value<D, R>
}
/**
 * Another element type, rounding to the nearest, halfway to the even; mixed precision never drops a cast that you write. Of x's shape.
 *
 * @throws EffuseError EF102 (no such dtype).
 * @example
 * graph('floats', { label: int32('batch') }, ({ label }) => ({ y: cast(label, 'float32') }))
 */
export const cast = <D extends DType, R extends number>(x: Value<DType, R>, to: D): Value<D, R> =>
  emitterOf('cast', x).cast(x, to) as Value<D, R>
