/** Functions that move elements: shapes, orders, parts. They compute nothing. */
import { EffuseError } from '../diagnostics.ts'
import { type DType, elements, showType } from '../types.ts'
import type { Dim, Value } from '../value.ts'
import { axisOf, emitterOf, integers, misfit } from './shared.ts'

/** The same elements in row-major order; one size may be -1 and is computed. 'batch' stands for x's first size: images keep theirs in front. */
export const reshape = <D extends DType, const S extends readonly Dim[]>(
  x: Value<D>,
  shape: S,
): Value<D, S['length']> => emitterOf('reshape', x).reshape(x, resolved(x, shape)) as Value<D, S['length']>

const resolved = (x: Value, shape: readonly Dim[]): readonly number[] => {
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

/** Axes in another order. */
export const transpose = <D extends DType, R extends number>(
  x: Value<D, R>,
  permutation: readonly number[],
): Value<D, R> =>
  emitterOf('transpose', x).transpose(
    x,
    integers('transpose', x, 'the axes', permutation).map((axis) => axisOf('transpose', x, axis)),
  ) as Value<D, R>
/** Repeats along new leading axes and along axes of size 1, as NumPy does. */
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
      'broadcasting adds axes in front and repeats those of size 1; to drop some, reduce or reshape',
    )
  return b.broadcast(x, shape) as Value<D, S['length']>
}
/** Elements from `starts` to below `limits`, every `strides`-th. */
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
/** A number around x: low[i] before and high[i] after on axis i. */
export const pad = <D extends DType, R extends number>(
  x: Value<D, R>,
  low: readonly number[],
  high: readonly number[],
  value = 0,
): Value<D, R> =>
  emitterOf('pad', x).pad(x, integers('pad', x, 'low', low), integers('pad', x, 'high', high), value) as Value<D, R>
/** One after another along an axis. */
export const concatenate = <D extends DType, R extends number>(
  values: readonly [Value<D, R>, ...Value<NoInfer<D>, NoInfer<R>>[]],
  axis: number,
): Value<D, R> => {
  const [first]: readonly (Value | undefined)[] = Array.isArray(values) ? values : []
  if (first === undefined)
    throw new EffuseError({
      code: 'EF103',
      message: `concatenate needs one tensor at least, got ${Array.isArray(values) ? 'an empty list' : 'no list'}`,
      hint: 'concatenate([a, b], axis)',
    })
  for (const value of values) emitterOf('concatenate', value)
  return first.builder.concatenate(values, axisOf('concatenate', first, axis)) as Value<D, R>
}
/** Last element first along the axes. */
export const reverse = <D extends DType, R extends number>(x: Value<D, R>, axes: readonly number[]): Value<D, R> =>
  emitterOf('reverse', x).reverse(
    x,
    integers('reverse', x, 'the axes', axes)
      .map((axis) => axisOf('reverse', x, axis))
      .sort((a, b) => a - b),
  ) as Value<D, R>
/** Slices of x along an axis, by index; indices beyond the ends are clamped. */
export const gather = <D extends DType>(x: Value<D>, indices: Value<'int32'>, axis = 0): Value<D> => {
  emitterOf('gather', indices)
  return emitterOf('gather', x).gather(x, indices, axisOf('gather', x, axis)) as Value<D>
}
/** 1 at the index, 0 elsewhere, along a new last axis. */
export const oneHot = (indices: Value<'int32'>, depth: number): Value<'float32'> =>
  emitterOf('oneHot', indices).oneHot(indices, depth) as Value<'float32'>
