/** Elementwise functions of one operand. They keep its shape. */
import type { UnaryOp } from '../signatures.ts'
import type { DType, Float } from '../types.ts'
import type { Value } from '../value.ts'
import { emitterOf, type Unary } from './shared.ts'

// The emitter knows dtypes and ranks only at run time; the cast follows from the ops' type rules.
const unary = (op: UnaryOp): Unary => ((x: Value) => emitterOf(op, x).unary(op, x)) as Unary

/**
 * -x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: neg(x) })) // [batch,3]
 */
export const neg: Unary = unary('neg')
/**
 * |x|; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: abs(x) })) // [batch,3]
 */
export const abs: Unary = unary('abs')
/**
 * -1, 0 or 1 by the sign of x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sign(x) })) // [batch,3]
 */
export const sign: Unary = unary('sign')
/**
 * Rounds down; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: floor(x) })) // [batch,3]
 */
export const floor: Unary = unary('floor')
/**
 * Rounds up; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: ceil(x) })) // [batch,3]
 */
export const ceil: Unary = unary('ceil')
/**
 * Rounds to the nearest integer, ties to even; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: round(x) })) // [batch,3]
 */
export const round: Unary = unary('round')
/**
 * e to the x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: exp(x) })) // [batch,3]
 */
export const exp: Unary = unary('exp')
/**
 * exp(x) - 1, accurate near 0; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: expm1(x) })) // [batch,3]
 */
export const expm1: Unary = unary('expm1')
/**
 * Natural logarithm; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: log(x) })) // [batch,3]
 */
export const log: Unary = unary('log')
/**
 * log(1 + x), accurate near 0; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: log1p(x) })) // [batch,3]
 */
export const log1p: Unary = unary('log1p')
/**
 * Square root; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sqrt(x) })) // [batch,3]
 */
export const sqrt: Unary = unary('sqrt')
/**
 * 1 / sqrt(x); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: rsqrt(x) })) // [batch,3]
 */
export const rsqrt: Unary = unary('rsqrt')
/**
 * 1 / x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: reciprocal(x) })) // [batch,3]
 */
export const reciprocal: Unary = unary('reciprocal')
/**
 * Sine of radians; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sin(x) })) // [batch,3]
 */
export const sin: Unary = unary('sin')
/**
 * Cosine of radians; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: cos(x) })) // [batch,3]
 */
export const cos: Unary = unary('cos')
/**
 * Hyperbolic tangent; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: tanh(x) })) // [batch,3]
 */
export const tanh: Unary = unary('tanh')
/**
 * The error function; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: erf(x) })) // [batch,3]
 */
export const erf: Unary = unary('erf')
/**
 * 1 / (1 + exp(-x)); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sigmoid(x) })) // [batch,3]
 */
export const sigmoid: Unary = unary('sigmoid')
/**
 * log(1 + exp(x)); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: softplus(x) })) // [batch,3]
 */
export const softplus: Unary = unary('softplus')
/**
 * max(x, 0); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: relu(x) })) // [batch,3]
 */
export const relu: Unary = unary('relu')
/**
 * min(max(x, 0), 6); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: relu6(x) })) // [batch,3]
 */
export const relu6: Unary = unary('relu6')
/**
 * x above 0, exp(x) - 1 below (Clevert et al. 2015); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: elu(x) })) // [batch,3]
 */
export const elu: Unary = unary('elu')
/**
 * The self-normalising elu (Klambauer et al. 2017); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: selu(x) })) // [batch,3]
 */
export const selu: Unary = unary('selu')
/**
 * x * sigmoid(x), also called swish (Ramachandran et al. 2017); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that the op does not accept).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: silu(x) })) // [batch,3]
 */
export const silu: Unary = unary('silu')
/**
 * True where x is false; elementwise, of x's shape, for bool only.
 *
 * @throws EffuseError EF101 (another dtype than bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: not(greater(x, 0)) })) // bool [batch,3]
 */
export const not = <R extends number>(x: Value<'bool', R>): Value<'bool', R> =>
  emitterOf('not', x).unary('not', x) as Value<'bool', R>
/**
 * True where x is neither NaN nor infinite; elementwise, bool of x's shape.
 *
 * @throws EffuseError EF101 (not a float type).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: isFinite(x) })) // bool [batch,3]
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: this is the op's name.
export const isFinite = <R extends number>(x: Value<Float, R>): Value<'bool', R> =>
  emitterOf('isFinite', x).unary('isFinite', x) as Value<'bool', R>
/**
 * Converts to another element type, rounding to nearest, ties to even. Mixed precision never removes a cast that a model declares. Of x's shape.
 *
 * @throws EffuseError EF102 (an unknown dtype).
 * @example
 * graph('floats', { label: int32('batch') }, ({ label }) => ({ y: cast(label, 'float32') }))
 */
export const cast = <D extends DType, R extends number>(x: Value<DType, R>, to: D): Value<D, R> =>
  emitterOf('cast', x).cast(x, to) as Value<D, R>
