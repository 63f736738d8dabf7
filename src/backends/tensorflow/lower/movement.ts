/** Ops that move elements. */
import type { MovementOps } from '../../../ir/signatures.ts'
import { sameShape } from '../../../ir/types.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'

const lowerReshape: LowerFunction<'reshape'> = ({ inputs: [x], attrs: { shape }, f }) => [f.reshape(x, shape)]

/** The operand with an axis of size 1 for each axis that only the result has. */
export const withAxes = (x: TfValue, axes: readonly number[], rank: number, f: FunctionBuilder): TfValue =>
  f.reshape(
    x,
    Array.from({ length: rank }, (_, axis) => {
      const from = axes.indexOf(axis)
      return from < 0 ? 1 : (x.shape[from] as number)
    }),
  )

export const transposed = (x: TfValue, permutation: readonly number[], f: FunctionBuilder): TfValue =>
  permutation.every((from, to) => from === to)
    ? x
    : f.op(
        'Transpose',
        [x, f.ints(permutation)],
        {},
        { dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis] as number) },
      )

const lowerTranspose: LowerFunction<'transpose'> = ({ inputs: [x], attrs: { permutation }, f }) => [
  transposed(x, permutation, f),
]

interface Range {
  readonly starts: readonly number[]
  readonly limits: readonly number[]
  readonly strides: readonly number[]
}

export const sliced = (x: TfValue, { starts, limits, strides }: Range, f: FunctionBuilder): TfValue => {
  const shape = starts.map((start, i) => Math.ceil(((limits[i] as number) - start) / (strides[i] as number)))
  if (sameShape(shape, x.shape)) return x
  const masks = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask']
  return f.op(
    'StridedSlice',
    [x, f.ints(starts), f.ints(limits), f.ints(strides)],
    Object.fromEntries(masks.map((mask) => [mask, attr.int(0)])),
    { dtype: x.dtype, shape },
  )
}

const lowerSlice: LowerFunction<'slice'> = ({ inputs: [x], attrs, f }) => [sliced(x, attrs, f)]

interface Margins {
  readonly low: readonly number[]
  readonly high: readonly number[]
  readonly interior: readonly number[]
  readonly value: number
}

/**
 * Adds numbers around the operand and between its elements. Between the elements of an axis: a new axis behind it holds each element followed by the
 * numbers, then both axes are merged, and the numbers after the last element are cut off.
 */
export const padded = (x: TfValue, { low, high, interior, value }: Margins, f: FunctionBuilder): TfValue => {
  let spread = x
  interior.forEach((gap, axis) => {
    if (gap === 0) return
    const size = spread.shape[axis] as number
    const [before, after] = [spread.shape.slice(0, axis), spread.shape.slice(axis + 1)]
    const apart = f.reshape(spread, [...before, size, 1, ...after])
    const filled = margined(
      apart,
      apart.shape.map(() => 0),
      apart.shape.map((_, i) => (i === axis + 1 ? gap : 0)),
      value,
      f,
    )
    const joined = f.reshape(filled, [...before, size * (1 + gap), ...after])
    const limits = joined.shape.map((n, i) => (i === axis ? n - gap : n))
    spread = sliced(joined, { starts: limits.map(() => 0), limits, strides: limits.map(() => 1) }, f)
  })
  return margined(spread, low, high, value, f)
}

const margined = (
  x: TfValue,
  low: readonly number[],
  high: readonly number[],
  value: number,
  f: FunctionBuilder,
): TfValue => {
  const shape = x.shape.map((size, i) => size + (low[i] as number) + (high[i] as number))
  if (sameShape(shape, x.shape)) return x
  const margins = f.constant(
    'int32',
    [low.length, 2],
    low.flatMap((before, i) => [before, high[i] as number]),
  )
  return f.op('PadV2', [x, margins, f.scalar(x.dtype, value)], {}, { dtype: x.dtype, shape })
}

const lowerPad: LowerFunction<'pad'> = ({ inputs: [x], attrs, f }) => [padded(x, attrs, f)]

export const concatenated = (parts: readonly TfValue[], axis: number, type: TfType, f: FunctionBuilder): TfValue =>
  f.op('ConcatV2', [...parts, f.scalar('int32', axis)], { N: attr.int(parts.length), Tidx: attr.type('int32') }, type)

const lowerConcatenate: LowerFunction<'concatenate'> = ({ inputs, attrs: { axis }, types: [type], f }) => {
  const [only, ...more] = inputs
  return [only !== undefined && more.length === 0 ? only : concatenated(inputs, axis, type, f)]
}

const lowerReverse: LowerFunction<'reverse'> = ({ inputs: [x], attrs: { axes }, types: [type], f }) => [
  axes.length === 0 ? x : f.op('ReverseV2', [x, f.ints(axes)], {}, type),
]

/** C3: indices outside the axis are clamped to its ends. */
const lowerGather: LowerFunction<'gather'> = ({ inputs: [x, indices], attrs: { axis }, types: [type], f }) => {
  const last = (x.shape[axis] as number) - 1
  const { dtype, shape } = indices
  const low = f.op('Maximum', [indices, f.scalar('int32', 0)], {}, { dtype, shape })
  const within = f.op('Minimum', [low, f.scalar('int32', last)], {}, { dtype, shape })
  return [f.op('GatherV2', [x, within, f.scalar('int32', axis)], { batch_dims: attr.int(0) }, type)]
}

const lowerOneHot: LowerFunction<'oneHot'> = ({ inputs: [indices], attrs: { depth }, types: [type], f }) => [
  f.op(
    'OneHot',
    [indices, f.scalar('int32', depth), f.scalar(type.dtype, 1), f.scalar(type.dtype, 0)],
    { axis: attr.int(-1) },
    type,
  ),
]

/** graph-scope.ts lowers broadcasts, where a node needs all their elements. */
export const movementLowering: { readonly [K in Exclude<keyof MovementOps, 'broadcast'>]: LowerFunction<K> } = {
  reshape: lowerReshape,
  transpose: lowerTranspose,
  slice: lowerSlice,
  pad: lowerPad,
  concatenate: lowerConcatenate,
  reverse: lowerReverse,
  gather: lowerGather,
  oneHot: lowerOneHot,
}
