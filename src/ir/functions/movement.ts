/** Functions that move elements and compute nothing: shapes, orders, parts. */
import { EffuseError } from '../diagnostics.ts'
import { type DType, elements, showType } from '../types.ts'
import type { Dim, Value } from '../value.ts'
import { axisOf, emitterOf, integers, misfit } from './shared.ts'

/**
 * The same elements in row-major order: x -> [...shape]. One size may be -1 and is computed; 'batch' means x's first size. `x.shape[0]` is also
 * allowed as a size.
 *
 * @throws EffuseError EF101 (another number of elements, not a list).
 * @example
 * graph('flat', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: reshape(image, ['batch', -1]) })) // [batch,192]
 */
export const reshape = <D extends DType, const S extends readonly (Dim | undefined)[]>(
  x: Value<D>,
  shape: S,
): Value<D, S['length']> => emitterOf('reshape', x).reshape(x, resolved(x, shape)) as Value<D, S['length']>

const resolved = (x: Value, shape: readonly (Dim | undefined)[]): readonly number[] => {
  const named: readonly unknown[] = Array.isArray(shape) ? shape : []
  const sizes = integers(
    'reshape',
    x,
    'the shape',
    named.length === 0 && !Array.isArray(shape)
      ? shape
      : named.map((size) => (size === 'batch' ? (x.shape[0] ?? 1) : size)),
  )
  const open = sizes.filter((size) => size === -1).length
  if (open === 0) return sizes
  const rest = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1)
  const missing = elements(x.shape) / rest
  if (open === 1 && Number.isInteger(missing) && missing > 0) return sizes.map((size) => (size === -1 ? missing : size))
  throw misfit(
    x,
    open > 1
      ? `reshape: one size may be -1, got [${sizes.join(',')}]`
      : `reshape: ${showType(x)} has ${elements(x.shape)} elements, which [${sizes.join(',')}] cannot hold`,
  )
}

/**
 * The rows as vectors: x [N, ...] -> [N, rest].
 *
 * @throws EffuseError EF101 (a scalar).
 * @example
 * graph('flat', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: flatten(image) })) // [batch,192]
 */
export const flatten = <D extends DType>(x: Value<D>): Value<D, 2> => {
  emitterOf('flatten', x)
  if (x.shape.length === 0) throw misfit(x, `flatten: ${showType(x)} has no rows`, 'use reshape(x, [1, 1])')
  return reshape(x, [x.shape[0], -1])
}

/**
 * Axes in another order: axis i of the result is axis permutation[i] of x; negative axes count from the end.
 *
 * @throws EffuseError EF101 (not each axis once, not a list).
 * @example
 * graph('channelsFirst', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: transpose(image, [0, 3, 1, 2]) })) // [batch,3,8,8]
 */
export const transpose = <D extends DType, R extends number>(
  x: Value<D, R>,
  permutation: readonly number[],
): Value<D, R> =>
  emitterOf('transpose', x).transpose(
    x,
    integers('transpose', x, 'the axes', permutation).map((axis) => axisOf('transpose', x, axis)),
  ) as Value<D, R>
/**
 * Repeats along new leading axes and along axes of size 1, as NumPy does: x -> [...shape].
 *
 * @throws EffuseError EF101 (a size that is neither 1 nor the given one, fewer axes than x).
 * @example
 * graph('rows', { x: float32(3) }, ({ x }) => ({ y: broadcastTo(x, [2, 3]) })) // [3] -> [2,3]
 */
export const broadcastTo = <D extends DType, const S extends readonly number[]>(
  x: Value<D>,
  shape: S,
): Value<D, S['length']> => {
  const b = emitterOf('broadcastTo', x)
  integers('broadcastTo', x, 'the shape', shape)
  if (shape.length < x.shape.length)
    throw misfit(
      x,
      `broadcastTo: ${showType(x)} has more axes than [${shape.join(',')}]`,
      'broadcasting adds leading axes and repeats axes of size 1; to remove axes, reduce or reshape',
    )
  return b.broadcast(x, shape) as Value<D, S['length']>
}
/**
 * Elements from `starts` to below `limits` in steps of `strides` (default 1), with one number for each axis.
 *
 * @throws EffuseError EF101 (limits beyond the sizes, another number of axes).
 * @example
 * graph('middle', { x: float32(2, 6) }, ({ x }) => ({ y: slice(x, [0, 1], [2, 5], [1, 2]) })) // [2,2]
 */
export const slice = <D extends DType, R extends number>(
  x: Value<D, R>,
  starts: readonly number[],
  limits: readonly number[],
  strides?: readonly number[],
): Value<D, R> =>
  emitterOf('slice', x).slice(
    x,
    integers('slice', x, 'starts', starts),
    integers('slice', x, 'limits', limits),
    strides === undefined ? undefined : integers('slice', x, 'strides', strides),
  ) as Value<D, R>
/**
 * Pads x with a number (default 0): low[i] elements before and high[i] after it on axis i.
 *
 * @throws EffuseError EF101 (another number of axes, not lists).
 * @example
 * graph('framed', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: pad(image, [0, 1, 1, 0], [0, 1, 1, 0]) })) // [batch,10,10,3]
 */
export const pad = <D extends DType, R extends number>(
  x: Value<D, R>,
  low: readonly number[],
  high: readonly number[],
  value = 0,
): Value<D, R> =>
  emitterOf('pad', x).pad(x, integers('pad', x, 'low', low), integers('pad', x, 'high', high), value) as Value<D, R>
/**
 * Joins tensors along an axis; all other sizes must be equal. A negative axis counts from the end.
 *
 * @throws EffuseError EF101 (sizes or dtypes differ, an unknown axis), EF103 (an empty list).
 * @example
 * graph('both', { a: float32('batch', 4), b: float32('batch', 2) }, ({ a, b }) => ({ y: concatenate([a, b], 1) })) // [batch,6]
 */
export const concatenate = <D extends DType, R extends number>(
  values: readonly [Value<D, R>, ...Value<NoInfer<D>, NoInfer<R>>[]],
  axis: number,
): Value<D, R> => {
  const [first]: readonly (Value | undefined)[] = Array.isArray(values) ? values : []
  if (first === undefined)
    throw new EffuseError({
      code: 'EF103',
      message: `concatenate needs at least one tensor, got ${Array.isArray(values) ? 'an empty list' : 'no list'}`,
      hint: 'write concatenate([a, b], axis)',
    })
  for (const value of values) emitterOf('concatenate', value)
  return first.builder.concatenate(values, axisOf('concatenate', first, axis)) as Value<D, R>
}
/**
 * Reverses the order of the elements along the axes.
 *
 * @throws EffuseError EF101 (an unknown axis).
 * @example
 * graph('mirrored', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: reverse(image, [2]) }))
 */
export const reverse = <D extends DType, R extends number>(x: Value<D, R>, axes: readonly number[]): Value<D, R> =>
  emitterOf('reverse', x).reverse(
    x,
    integers('reverse', x, 'the axes', axes)
      .map((axis) => axisOf('reverse', x, axis))
      .sort((a, b) => a - b),
  ) as Value<D, R>
/**
 * Slices of x along an axis (default the first), by int32 index; indices out of range are clamped. The axes of `indices` replace the axis.
 *
 * @throws EffuseError EF101 (indices that are not int32, an unknown axis).
 * @example
 * graph('embedded', { table: float32(100, 8), word: int32('batch') }, ({ table, word }) => ({ x: gather(table, word) })) // [batch,8]
 */
export const gather = <D extends DType>(x: Value<D>, indices: Value<'int32'>, axis = 0): Value<D> => {
  emitterOf('gather', indices)
  return emitterOf('gather', x).gather(x, indices, axisOf('gather', x, axis)) as Value<D>
}
/**
 * 1 at the index and 0 elsewhere, along a new last axis of size `depth`; all 0 if the index is not in 0 to depth - 1.
 *
 * @throws EffuseError EF101 (indices that are not int32), EF102 (depth).
 * @example
 * graph('marks', { label: int32('batch') }, ({ label }) => ({ y: oneHot(label, 10) })) // float32 [batch,10]
 */
export const oneHot = (indices: Value<'int32'>, depth: number): Value<'float32'> =>
  emitterOf('oneHot', indices).oneHot(indices, depth) as Value<'float32'>
