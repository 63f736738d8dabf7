/** Elementwise functions: arithmetic, comparisons, logic. A number on either side, or a smaller second operand, broadcasts. */
import type { BinaryOp, OpEmitter, UnaryOp } from '../emitter.ts'
import type { OpAttrs } from '../signatures.ts'
import type { DType, Float } from '../types.ts'
import type { Value } from '../value.ts'
import { type Binary, checkBroadcast, type Comparison, emitterOf, type Logical, type Unary } from './shared.ts'

// The emitter knows dtypes and ranks only at run time; these four lines say what follows from the ops' type rules.
const unary = (op: UnaryOp): Unary => ((x: Value) => emitterOf(op, x).unary(op, x)) as Unary
const binary = (op: BinaryOp): Binary =>
  ((a: Value | number, b: Value | number) => aligned(op, a, b).binary(op, a, b)) as Binary
const comparison = (direction: OpAttrs<'compare'>['direction'], name: string): Comparison =>
  ((a: Value | number, b: Value | number) => aligned(name, a, b).compare(direction, a, b)) as Comparison
const logical = (op: 'and' | 'or'): Logical => binary(op) as Logical // for bool only

/** The emitter for two operands that go together; one may be a number. */
const aligned = (op: string, a: Value | number, b: Value | number): OpEmitter => {
  if (typeof a !== 'number') {
    checkBroadcast(op, a, b)
    return a.builder
  }
  const tensor = b as Value // of two numbers emitterOf() says that one must be a tensor
  checkBroadcast(op, tensor, a)
  return tensor.builder
}

/**
 * -x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: neg(x) })) // [batch,3]
 */
export const neg: Unary = unary('neg')
/**
 * |x|; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: abs(x) })) // [batch,3]
 */
export const abs: Unary = unary('abs')
/**
 * -1, 0 or 1 by the sign of x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sign(x) })) // [batch,3]
 */
export const sign: Unary = unary('sign')
/**
 * Rounds down; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: floor(x) })) // [batch,3]
 */
export const floor: Unary = unary('floor')
/**
 * Rounds up; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: ceil(x) })) // [batch,3]
 */
export const ceil: Unary = unary('ceil')
/**
 * Rounds to the nearest integer, halfway to the even one; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: round(x) })) // [batch,3]
 */
export const round: Unary = unary('round')
/**
 * e to the x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: exp(x) })) // [batch,3]
 */
export const exp: Unary = unary('exp')
/**
 * exp(x) - 1, exact near 0; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: expm1(x) })) // [batch,3]
 */
export const expm1: Unary = unary('expm1')
/**
 * Natural logarithm; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: log(x) })) // [batch,3]
 */
export const log: Unary = unary('log')
/**
 * log(1 + x), exact near 0; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: log1p(x) })) // [batch,3]
 */
export const log1p: Unary = unary('log1p')
/**
 * Square root; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sqrt(x) })) // [batch,3]
 */
export const sqrt: Unary = unary('sqrt')
/**
 * 1 / sqrt(x); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: rsqrt(x) })) // [batch,3]
 */
export const rsqrt: Unary = unary('rsqrt')
/**
 * 1 / x; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: reciprocal(x) })) // [batch,3]
 */
export const reciprocal: Unary = unary('reciprocal')
/**
 * Sine of radians; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sin(x) })) // [batch,3]
 */
export const sin: Unary = unary('sin')
/**
 * Cosine of radians; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: cos(x) })) // [batch,3]
 */
export const cos: Unary = unary('cos')
/**
 * Hyperbolic tangent; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: tanh(x) })) // [batch,3]
 */
export const tanh: Unary = unary('tanh')
/**
 * The error function; elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: erf(x) })) // [batch,3]
 */
export const erf: Unary = unary('erf')
/**
 * 1 / (1 + exp(-x)); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: sigmoid(x) })) // [batch,3]
 */
export const sigmoid: Unary = unary('sigmoid')
/**
 * log(1 + exp(x)); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: softplus(x) })) // [batch,3]
 */
export const softplus: Unary = unary('softplus')
/**
 * max(x, 0); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: relu(x) })) // [batch,3]
 */
export const relu: Unary = unary('relu')
/**
 * min(max(x, 0), 6); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: relu6(x) })) // [batch,3]
 */
export const relu6: Unary = unary('relu6')
/**
 * x above 0, exp(x) - 1 below (Clevert et al. 2015); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: elu(x) })) // [batch,3]
 */
export const elu: Unary = unary('elu')
/**
 * The self-normalising elu (Klambauer et al. 2017); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: selu(x) })) // [batch,3]
 */
export const selu: Unary = unary('selu')
/**
 * x * sigmoid(x), also called swish (Ramachandran et al. 2017); elementwise, of x's shape and dtype.
 *
 * @throws EffuseError EF101 (a dtype that it does not take).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: silu(x) })) // [batch,3]
 */
export const silu: Unary = unary('silu')

/**
 * a + b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: add(add(a, b), 2) })) // [batch,3]
 */
export const add: Binary = binary('add')
/**
 * a - b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: sub(sub(a, b), 2) })) // [batch,3]
 */
export const sub: Binary = binary('sub')
/**
 * a * b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: mul(mul(a, b), 2) })) // [batch,3]
 */
export const mul: Binary = binary('mul')
/**
 * a / b; int32 truncates toward zero; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: div(div(a, b), 2) })) // [batch,3]
 */
export const div: Binary = binary('div')
/**
 * a to the b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: pow(pow(a, b), 2) })) // [batch,3]
 */
export const pow: Binary = binary('pow')
/**
 * The larger of two; NaN if one is; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: maximum(maximum(a, b), 2) })) // [batch,3]
 */
export const maximum: Binary = binary('maximum')
/**
 * The smaller of two; NaN if one is; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: minimum(minimum(a, b), 2) })) // [batch,3]
 */
export const minimum: Binary = binary('minimum')
/**
 * What is left of a / b, with the sign of a; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: remainder(remainder(a, b), 2) })) // [batch,3]
 */
export const remainder: Binary = binary('remainder')

/**
 * a == b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: equal(a, 0) })) // bool [batch,3]
 */
export const equal: Comparison = comparison('eq', 'equal')
/**
 * a != b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: notEqual(a, 0) })) // bool [batch,3]
 */
export const notEqual: Comparison = comparison('ne', 'notEqual')
/**
 * a < b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: less(a, 0) })) // bool [batch,3]
 */
export const less: Comparison = comparison('lt', 'less')
/**
 * a <= b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: lessEqual(a, 0) })) // bool [batch,3]
 */
export const lessEqual: Comparison = comparison('le', 'lessEqual')
/**
 * a > b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: greater(a, 0) })) // bool [batch,3]
 */
export const greater: Comparison = comparison('gt', 'greater')
/**
 * a >= b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes or dtypes that do not go together).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: greaterEqual(a, 0) })) // bool [batch,3]
 */
export const greaterEqual: Comparison = comparison('ge', 'greaterEqual')

/**
 * True where both are; elementwise, of a's shape, for bool only.
 *
 * @throws EffuseError EF101 (shapes that do not go together, no bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: and(greater(x, 0), less(x, 1)) })) // bool [batch,3]
 */
export const and: Logical = logical('and')
/**
 * True where one at least is; elementwise, of a's shape, for bool only.
 *
 * @throws EffuseError EF101 (shapes that do not go together, no bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: or(greater(x, 0), less(x, 1)) })) // bool [batch,3]
 */
export const or: Logical = logical('or')
/**
 * True where x is false; elementwise, of x's shape, for bool only.
 *
 * @throws EffuseError EF101 (no bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: not(greater(x, 0)) })) // bool [batch,3]
 */
export const not = <R extends number>(x: Value<'bool', R>): Value<'bool', R> =>
  emitterOf('not', x).unary('not', x) as Value<'bool', R>
/**
 * True where x is neither NaN nor infinite; elementwise, bool of x's shape.
 *
 * @throws EffuseError EF101 (no floats).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: isFinite(x) })) // bool [batch,3]
 */
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
