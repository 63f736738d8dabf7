/** Elementwise functions of two operands: arithmetic, comparisons, logic, choice. A number on either side, or a smaller second operand, broadcasts. */
import type { OpEmitter } from '../emitter.ts'
import type { BinaryOp, OpAttrs } from '../signatures.ts'
import type { DType } from '../types.ts'
import type { Value } from '../value.ts'
import { type Binary, checkBroadcast, type Comparison, emitterOf, type Logical } from './shared.ts'

// The emitter knows dtypes and ranks only at run time; the casts in these functions follow from the ops' type rules.
const binary = (op: BinaryOp): Binary =>
  ((a: Value | number, b: Value | number) => aligned(op, a, b).binary(op, a, b)) as Binary
const comparison = (direction: OpAttrs<'compare'>['direction'], name: string): Comparison =>
  ((a: Value | number, b: Value | number) => aligned(name, a, b).compare(direction, a, b)) as Comparison
const logical = (op: 'and' | 'or'): Logical => binary(op) as Logical // for bool only

/** The emitter for two compatible operands; one may be a number. */
const aligned = (op: string, a: Value | number, b: Value | number): OpEmitter => {
  if (typeof a !== 'number') {
    checkBroadcast(op, a, b)
    return a.builder
  }
  const tensor = b as Value // emitterOf() rejects two numbers
  checkBroadcast(op, tensor, a)
  return tensor.builder
}

/**
 * a + b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: add(add(a, b), 2) })) // [batch,3]
 */
export const add: Binary = binary('add')
/**
 * a - b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: sub(sub(a, b), 2) })) // [batch,3]
 */
export const sub: Binary = binary('sub')
/**
 * a * b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: mul(mul(a, b), 2) })) // [batch,3]
 */
export const mul: Binary = binary('mul')
/**
 * a / b; int32 truncates toward zero; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: div(div(a, b), 2) })) // [batch,3]
 */
export const div: Binary = binary('div')
/**
 * a to the b; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: pow(pow(a, b), 2) })) // [batch,3]
 */
export const pow: Binary = binary('pow')
/**
 * The larger of two; NaN if one is NaN; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: maximum(maximum(a, b), 2) })) // [batch,3]
 */
export const maximum: Binary = binary('maximum')
/**
 * The smaller of two; NaN if one is NaN; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: minimum(minimum(a, b), 2) })) // [batch,3]
 */
export const minimum: Binary = binary('minimum')
/**
 * The remainder of a / b, with the sign of a; elementwise, of a's shape and dtype. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3), b: float32(3) }, ({ a, b }) => ({ y: remainder(remainder(a, b), 2) })) // [batch,3]
 */
export const remainder: Binary = binary('remainder')

/**
 * a == b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: equal(a, 0) })) // bool [batch,3]
 */
export const equal: Comparison = comparison('eq', 'equal')
/**
 * a != b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: notEqual(a, 0) })) // bool [batch,3]
 */
export const notEqual: Comparison = comparison('ne', 'notEqual')
/**
 * a < b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: less(a, 0) })) // bool [batch,3]
 */
export const less: Comparison = comparison('lt', 'less')
/**
 * a <= b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: lessEqual(a, 0) })) // bool [batch,3]
 */
export const lessEqual: Comparison = comparison('le', 'lessEqual')
/**
 * a > b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: greater(a, 0) })) // bool [batch,3]
 */
export const greater: Comparison = comparison('gt', 'greater')
/**
 * a >= b; elementwise, bool of a's shape. b is a number, or broadcasts to a.
 *
 * @throws EffuseError EF101 (incompatible shapes or dtypes).
 * @example
 * graph('example', { a: float32('batch', 3) }, ({ a }) => ({ y: greaterEqual(a, 0) })) // bool [batch,3]
 */
export const greaterEqual: Comparison = comparison('ge', 'greaterEqual')

/**
 * True where both are true; elementwise, of a's shape, for bool only.
 *
 * @throws EffuseError EF101 (incompatible shapes, another dtype than bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: and(greater(x, 0), less(x, 1)) })) // bool [batch,3]
 */
export const and: Logical = logical('and')
/**
 * True where at least one is true; elementwise, of a's shape, for bool only.
 *
 * @throws EffuseError EF101 (incompatible shapes, another dtype than bool).
 * @example
 * graph('example', { x: float32('batch', 3) }, ({ x }) => ({ y: or(greater(x, 0), less(x, 1)) })) // bool [batch,3]
 */
export const or: Logical = logical('or')
/**
 * `a` where the condition is true, `b` elsewhere, of a's shape and dtype. The bool condition is a scalar or of a's shape; b broadcasts to a.
 *
 * @throws EffuseError EF101 (shapes, or a condition that is not bool).
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
