/** Reductions over given axes, or over all. Negative axes count from the end. */
import type { DType, Float } from '../types.ts'
import type { Value } from '../value.ts'
import { axisOf, emitterOf, integers, type Reduction } from './shared.ts'

// The cast holds: the ops' type rules remove the given axes, as the type Less says.
const reduction = <Accepted extends DType>(
  op: string,
  make: (x: Value, axes: readonly number[]) => Value,
): Reduction<Accepted> =>
  ((x: Value, axes?: readonly number[]) => {
    emitterOf(op, x)
    const given = axes === undefined ? x.shape.map((_, axis) => axis) : integers(op, x, 'the axes', axes)
    // The IR requires ascending axes.
    return make(
      x,
      given.map((axis) => axisOf(op, x, axis)).sort((a, b) => a - b),
    )
  }) as Reduction<Accepted>

/**
 * Sum over axes, or over everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('sums', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: reduceSum(x, [1]) })) // [batch,3]
 */
export const reduceSum: Reduction<DType> = reduction('reduceSum', (x, axes) => x.builder.reduceSum(x, axes))
/**
 * Product over axes, or over everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('products', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: reduceProd(x, [1]) })) // [batch,3]
 */
export const reduceProd: Reduction<DType> = reduction('reduceProd', (x, axes) =>
  x.builder.emit1('reduceProd', [x], { axes, keepDims: false }),
)
/**
 * Largest element over axes, or of everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('peaks', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: reduceMax(x, [1]) })) // [batch,3]
 */
export const reduceMax: Reduction<DType> = reduction('reduceMax', (x, axes) => x.builder.reduceMax(x, axes))
/**
 * Smallest element over axes, or of everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('lows', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: reduceMin(x, [1]) })) // [batch,3]
 */
export const reduceMin: Reduction<DType> = reduction('reduceMin', (x, axes) =>
  x.builder.emit1('reduceMin', [x], { axes, keepDims: false }),
)
/**
 * Mean over axes, or of everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('means', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: mean(x, [1]) })) // [batch,3]
 */
export const mean: Reduction<Float> = reduction('mean', (x, axes) => x.builder.mean(x, axes))
/**
 * Biased variance over axes, or of everything; the result has no such axes. Negative axes count from the end.
 *
 * @throws EffuseError EF101 (an unknown or repeated axis, not a list).
 * @example
 * graph('spreads', { x: float32('batch', 4, 3) }, ({ x }) => ({ y: variance(x, [1]) })) // [batch,3]
 */
export const variance: Reduction<Float> = reduction('variance', (x, axes) => x.builder.variance(x, axes))
/**
 * int32 index of the largest element along an axis (default the last), the lowest one of equal elements. The result has no such axis.
 *
 * @throws EffuseError EF101 (an unknown axis).
 * @example
 * graph('best', { logits: float32('batch', 10) }, ({ logits }) => ({ label: argMax(logits) })) // [batch]
 */
export const argMax = (x: Value, axis = -1): Value<'int32'> =>
  emitterOf('argMax', x).emit1('argMax', [x], { axis: axisOf('argMax', x, axis) }) as Value<'int32'>
/**
 * The k largest elements along the last axis, in descending order, and their int32 indices: x [...,n] -> two of [...,k].
 *
 * @throws EffuseError EF101 (fewer than k), EF102 (k).
 * @example
 * graph('five', { logits: float32('batch', 10) }, ({ logits }) => ({ ...topK(logits, 5) })) // values, indices [batch,5]
 */
export const topK = <D extends DType, R extends number>(
  x: Value<D, R>,
  k: number,
): { readonly values: Value<D, R>; readonly indices: Value<'int32', R> } => {
  const [values, indices] = emitterOf('topK', x).emit('topK', [x], { k })
  return { values: values as Value<D, R>, indices: indices as Value<'int32', R> }
}
