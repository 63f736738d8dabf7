/**
 * Pooling. Padding that is neither 'same' nor 'valid' is added to the image first. TensorFlow's MaxPool loses NaN and -infinity, so the lowering handles
 * both.
 */
import type { PoolingOps, WindowAttrs } from '../../../ir/signatures.ts'
import { type Axis, windowAxes } from '../../../ir/ops/window.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'
import { padded, sliced } from './movement.ts'

type Axes = readonly [Axis, Axis]

const axesOf = (shape: readonly number[], attrs: WindowAttrs): Axes =>
  windowAxes([shape[1] as number, shape[2] as number], attrs.window, attrs)

const poolAttrs = ([h, w]: Axes) => ({
  ksize: attr.ints([1, h.window, w.window, 1]),
  strides: attr.ints([1, h.stride, w.stride, 1]),
  padding: attr.string('VALID'),
  data_format: attr.string('NHWC'),
})

/** The image with its padding as elements, without the rows and columns that no window reaches. */
const framed = (x: TfValue, [h, w]: Axes, value: number, f: FunctionBuilder): TfValue =>
  padded(x, { low: [0, h.before, w.before, 0], high: [0, h.after, w.after, 0], interior: [0, 0, 0, 0], value }, f)

const framedShape = (shape: readonly number[], [h, w]: Axes): readonly number[] =>
  shape.map((size, i) => size + (i === 1 ? h.before + h.after : i === 2 ? w.before + w.after : 0))

const lowest = -Infinity
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127

const lowerMaxPool: LowerFunction<'maxPool2d'> = ({ inputs: [x], attrs, types: [type], f }) => {
  const axes = axesOf(x.shape, attrs)
  const wide = { dtype: 'float32', shape: type.shape } as const
  const image = framed(f.cast(x, 'float32'), axes, lowest, f)
  const flag = { dtype: 'bool', shape: image.shape } as const
  // The maximum of all numbers above -infinity. For a window without such numbers, TensorFlow returns the smallest float32.
  const largest = f.op('MaxPool', [image], poolAttrs(axes), wide)
  const anyOf = (flags: TfValue): TfValue => {
    const pooled = f.op('MaxPool', [f.cast(flags, 'float32')], poolAttrs(axes), wide)
    return f.op('Greater', [pooled, f.scalar('float32', 0)], {}, { dtype: 'bool', shape: type.shape })
  }
  const isNan = anyOf(f.op('IsNan', [image], {}, flag))
  const hasNumber = anyOf(f.op('Greater', [image, f.scalar('float32', lowest)], {}, flag))
  const number = f.op('SelectV2', [hasNumber, largest, f.scalar('float32', lowest)], {}, wide)
  return [f.cast(f.op('SelectV2', [isNan, f.scalar('float32', Number.NaN), number], {}, wide), type.dtype)]
}

const lowerMaxPoolGradient: LowerFunction<'maxPool2dGradient'> = ({ inputs: [x, dy], attrs, types: [type], f }) => {
  const axes = axesOf(x.shape, attrs)
  const given = f.cast(x, 'float32')
  const isNan = f.op('IsNan', [given], {}, { dtype: 'bool', shape: x.shape })
  const wide = { dtype: 'float32', shape: x.shape } as const
  // NaN must win over +infinity. So +infinity stands for NaN, and the largest float32 for +infinity.
  const finite = f.op('Minimum', [given, f.scalar('float32', largestFloat32)], {}, wide)
  const ordered = f.op('SelectV2', [isNan, f.scalar('float32', Infinity), finite], {}, wide)
  const image = framed(ordered, axes, lowest, f)
  const pooled = f.op('MaxPool', [image], poolAttrs(axes), { dtype: 'float32', shape: dy.shape })
  const whole = f.op('MaxPoolGrad', [image, pooled, f.cast(dy, 'float32')], poolAttrs(axes), {
    dtype: 'float32',
    shape: image.shape,
  })
  return [f.cast(unframed(whole, type.shape, axes, f), type.dtype)]
}

const unframed = (whole: TfValue, shape: readonly number[], [h, w]: Axes, f: FunctionBuilder): TfValue => {
  const starts = [0, h.before, w.before, 0]
  const limits = shape.map((size, i) => size + (starts[i] as number))
  return sliced(whole, { starts, limits, strides: [1, 1, 1, 1] }, f)
}

/** For each window, its number of pixels divided by the number that lies in the image: [1, H2, W2, 1]. */
const shares = (axes: Axes, f: FunctionBuilder): TfValue => {
  const [rows, columns] = axes.map(({ input, output, window, stride, before }) =>
    Array.from({ length: output }, (_, at) => {
      const start = at * stride - before
      return Math.min(start + window, input) - Math.max(start, 0)
    }),
  ) as [number[], number[]]
  const whole = axes[0].window * axes[1].window
  return f.constant(
    'float32',
    [1, rows.length, columns.length, 1],
    rows.flatMap((row) => columns.map((column) => whole / (row * column))),
  )
}

const isPadded = (axes: Axes): boolean => axes.some(({ before, after }) => before > 0 || after > 0)

/** Converts means over windows of the padded image to means over their pixels in the image. */
const scaledByShare = (x: TfValue, axes: Axes, type: TfType, f: FunctionBuilder): TfValue =>
  isPadded(axes) ? f.op('Mul', [x, shares(axes, f)], {}, type) : x

const lowerAvgPool: LowerFunction<'avgPool2d'> = ({ inputs: [x], attrs, types: [{ dtype, shape }], f }) => {
  const axes = axesOf(x.shape, attrs)
  const wide = { dtype: 'float32', shape } as const
  const mean = f.op('AvgPool', [framed(f.cast(x, 'float32'), axes, 0, f)], poolAttrs(axes), wide)
  return [f.cast(scaledByShare(mean, axes, wide, f), dtype)]
}

const lowerAvgPoolGradient: LowerFunction<'avgPool2dGradient'> = ({ inputs: [dy], attrs, types: [type], f }) => {
  const axes = axesOf(type.shape, attrs)
  const scaled = scaledByShare(f.cast(dy, 'float32'), axes, { dtype: 'float32', shape: dy.shape }, f)
  const shape = framedShape(type.shape, axes)
  const whole = f.op('AvgPoolGrad', [f.ints(shape), scaled], poolAttrs(axes), { dtype: 'float32', shape })
  return [f.cast(unframed(whole, type.shape, axes, f), type.dtype)]
}

export const poolingLowering: { readonly [K in keyof PoolingOps]: LowerFunction<K> } = {
  maxPool2d: lowerMaxPool,
  maxPool2dGradient: lowerMaxPoolGradient,
  avgPool2d: lowerAvgPool,
  avgPool2dGradient: lowerAvgPoolGradient,
}
