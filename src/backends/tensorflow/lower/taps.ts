/**
 * Convolutions and their gradients tap by tap: for each tap of the kernel, the shifted image times the tap. They are for cases without a kernel in
 * TensorFlow (dilated gradients, depthwise kernels with dilation or unequal strides).
 */
import type { Axis } from '../../../ir/ops/window.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { TfType, TfValue } from '../types.ts'
import { padded, sliced } from './movement.ts'

export type Geometry = readonly [Axis, Axis]

export interface Taps {
  readonly isDepthwise: boolean
  readonly axes: Geometry
  readonly f: FunctionBuilder
}

interface Tap {
  readonly row: number
  readonly column: number
}

const tapsOf = ([h, w]: Geometry): readonly Tap[] =>
  Array.from({ length: h.window * w.window }, (_, i) => ({ row: Math.floor(i / w.window), column: i % w.window }))

/** Height and width of the image with its padding. */
const frameOf = ([h, w]: Geometry): readonly [number, number] => [
  h.input + h.before + h.after,
  w.input + w.before + w.after,
]

/** The image with its padding as elements. */
export const framed = (x: TfValue, [h, w]: Geometry, f: FunctionBuilder): TfValue =>
  padded(x, { low: [0, h.before, w.before, 0], high: [0, h.after, w.after, 0], interior: [0, 0, 0, 0], value: 0 }, f)

/** The elements of the padded image that are multiplied by the tap, one for each output: [N, H2, W2, C]. */
const metBy = (frame: TfValue, { row, column }: Tap, { axes: [h, w], f }: Taps): TfValue => {
  const [batch = 1, , , channels = 1] = frame.shape
  const [top, left] = [row * h.dilation, column * w.dilation]
  const limits = [batch, top + (h.output - 1) * h.stride + 1, left + (w.output - 1) * w.stride + 1, channels]
  return sliced(frame, { starts: [0, top, left, 0], limits, strides: [1, h.stride, w.stride, 1] }, f)
}

/** The weights of the tap: [C, F], for a depthwise kernel [C]. */
const weightsOf = (kernel: TfValue, { row, column }: Tap, { isDepthwise, f }: Taps): TfValue => {
  const [, , channels = 1, filters = 1] = kernel.shape
  const range = { starts: [row, column, 0, 0], limits: [row + 1, column + 1, channels, filters], strides: [1, 1, 1, 1] }
  return f.reshape(sliced(kernel, range, f), isDepthwise ? [channels] : [channels, filters])
}

/** Reshapes to [pixels, C]. */
const asRows = (x: TfValue, f: FunctionBuilder): TfValue => {
  const channels = x.shape.at(-1) as number
  return f.reshape(x, [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), channels])
}

/** a [M, K] times b [K, N]. Each may be given transposed. */
const product = (
  a: TfValue,
  b: TfValue,
  { f, ...transposed }: { readonly f: FunctionBuilder; readonly a?: boolean; readonly b?: boolean },
): TfValue => {
  const shape = [a.shape[transposed.a === true ? 1 : 0] as number, b.shape[transposed.b === true ? 0 : 1] as number]
  const attrs = { transpose_a: attr.bool(transposed.a === true), transpose_b: attr.bool(transposed.b === true) }
  return f.op('MatMul', [a, b], attrs, { dtype: a.dtype, shape })
}

const sum = (parts: readonly TfValue[], type: TfType, f: FunctionBuilder): TfValue =>
  parts.length === 1 ? (parts[0] as TfValue) : f.op('AddN', parts, { N: attr.int(parts.length) }, type)

export const convolvedByTaps = (x: TfValue, kernel: TfValue, type: TfType, taps: Taps): TfValue => {
  const { isDepthwise, axes, f } = taps
  const frame = framed(x, axes, f)
  const parts = tapsOf(axes).map((tap) => {
    const [met, weights] = [metBy(frame, tap, taps), weightsOf(kernel, tap, taps)]
    return isDepthwise
      ? f.op('Mul', [met, weights], {}, type)
      : f.reshape(product(asRows(met, f), weights, { f }), type.shape)
  })
  return sum(parts, type, f)
}

export const inputGradientByTaps = (dy: TfValue, kernel: TfValue, type: TfType, taps: Taps): TfValue => {
  const { isDepthwise, axes, f } = taps
  const [h, w] = axes
  const [height, width] = frameOf(axes)
  const [batch = 1, , , channels = 1] = type.shape
  const frame: TfType = { dtype: type.dtype, shape: [batch, height, width, channels] }
  const parts = tapsOf(axes).map((tap) => {
    const weights = weightsOf(kernel, tap, taps)
    const part = isDepthwise
      ? f.op('Mul', [dy, weights], {}, { dtype: dy.dtype, shape: dy.shape })
      : f.reshape(product(asRows(dy, f), weights, { f, b: true }), [...dy.shape.slice(0, 3), channels])
    const [top, left] = [tap.row * h.dilation, tap.column * w.dilation]
    const bottom = height - top - ((h.output - 1) * h.stride + 1)
    const right = width - left - ((w.output - 1) * w.stride + 1)
    return padded(
      part,
      { low: [0, top, left, 0], high: [0, bottom, right, 0], interior: [0, h.stride - 1, w.stride - 1, 0], value: 0 },
      f,
    )
  })
  const limits = [batch, h.before + h.input, w.before + w.input, channels]
  return sliced(sum(parts, frame, f), { starts: [0, h.before, w.before, 0], limits, strides: [1, 1, 1, 1] }, f)
}

export const filterGradientByTaps = (x: TfValue, dy: TfValue, type: TfType, taps: Taps): TfValue => {
  const { isDepthwise, axes, f } = taps
  const frame = framed(x, axes, f)
  const parts = tapsOf(axes).map((tap) => {
    const met = metBy(frame, tap, taps)
    if (!isDepthwise) return product(asRows(met, f), asRows(dy, f), { f, a: true })
    const products = f.op('Mul', [met, dy], {}, { dtype: dy.dtype, shape: dy.shape })
    const shape = [dy.shape.at(-1) as number]
    return f.op('Sum', [products, f.ints([0, 1, 2])], { keep_dims: attr.bool(false) }, { dtype: dy.dtype, shape })
  })
  const first = parts[0] as TfValue // a window has a tap
  const together =
    parts.length === 1
      ? first
      : f.op(
          'Pack',
          parts,
          { N: attr.int(parts.length), axis: attr.int(0) },
          { dtype: first.dtype, shape: [parts.length, ...first.shape] },
        )
  return f.reshape(together, type.shape)
}
