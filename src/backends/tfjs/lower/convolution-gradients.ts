/**
 * Gradients of convolutions by forward kernels. With output position o, tap k, stride s, dilation d and leading padding p,
 * a convolution reads input position o*s + k*d - p. Rearranging the sum gives, per axis:
 *
 * input gradient:   dx[i] = sum over k of dy'[i + p - k*d] * w[k], where dy' is dy with s-1 zeros between neighbours;
 *                   that is dy' convolved with the flipped kernel, dilation d, stride 1, leading padding (K-1)*d - p.
 * filter gradient:  dw[k] = sum over o of x[o*s + k*d - p] * dy[o];
 *                   that is a matrix product of dy with the taps' patches of x, transposed; 1x1 kernels need no patches.
 *
 * The filter gradient of depthwise convolutions is in depthwise-filter-gradient.ts.
 */
import type { ConvAttrs } from '../../../ir/signatures.ts'
import { windowAxes, type Axis } from '../../../ir/ops/window.ts'
import type { Type } from '../../../ir/types.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { convolve, kernelConvAttrs, type KernelConvAttrs } from './convolve.ts'
import { concatenated, padded, reversed, transposed } from './movement.ts'
import { patchesOf } from './patches.ts'
import { product } from './product.ts'
import { as, made } from './shared.ts'

export type Quad = readonly [number, number, number, number]
export const quad = (shape: readonly number[]): Quad => shape as Quad // the ops checked rank 4

export type Axes = readonly [Axis, Axis]
export const axesOf = (x: Quad, kernel: Quad, attrs: Pick<ConvAttrs, 'strides' | 'padding' | 'dilations'>): Axes =>
  windowAxes([x[1], x[2]], [kernel[0], kernel[1]], attrs)

/** dy with zeros between neighbours and around, so that a valid convolution with the flipped kernel is the input gradient. Crops dy if the padding is large. */
const spreadGradient = (dy: Operand, [h, w]: Axes, planner: Planner): Operand => {
  const [n, , , c] = quad(dy.shape)
  const extent = (axis: Axis): number => (axis.window - 1) * axis.dilation
  const low = [0, extent(h) - h.before, extent(w) - w.before, 0]
  const interior = [0, h.stride - 1, w.stride - 1, 0]
  const shape = [n, h.input + extent(h), w.input + extent(w), c]
  if (
    low.every((size) => size === 0) &&
    interior.every((gap) => gap === 0) &&
    shape.every((size, axis) => size === dy.shape[axis])
  )
    return dy
  return { ...dy, shape, slot: padded(dy, low, interior, 0, { dtype: dy.dtype, shape }, planner) }
}

/** Attributes with stride 1, no padding, and the dilation of the forward convolution. */
const plainAttrs = (x: Operand, filter: Operand, [h, w]: Axes): KernelConvAttrs =>
  kernelConvAttrs(x, filter, { strides: [1, 1], padding: 'valid', dilations: [h.dilation, w.dilation] })
export const isPointwise = ([h, w]: Axes): boolean =>
  [h, w].every((axis) => axis.window === 1 && axis.stride === 1 && axis.before === 0 && axis.after === 0)

export const lowerConvInputGradient: LowerFunction<'conv2dInputGradient'> = ({
  attrs,
  inputs: [dyView, kernelView],
  types: [type],
  planner,
}) => {
  const [dy, kernel] = [planner.dense(dyView), planner.dense(kernelView)]
  const [, , c, f] = quad(kernel.shape)
  const axes = axesOf(quad(attrs.inputShape), quad(kernel.shape), attrs)
  if (isPointwise(axes)) {
    const positions = dy.shape.slice(0, 3).reduce((a, b) => a * b, 1)
    return [
      made(
        product(
          as(dy, [1, positions, f]),
          as(kernel, [1, c, f]),
          { transposeA: false, transposeB: true },
          type,
          planner,
        ),
        type,
      ),
    ]
  }
  const flipped = transposed(reversed(kernel, [0, 1], planner), [0, 1, 3, 2], planner)
  const spread = spreadGradient(dy, axes, planner)
  return [made(convolve('Conv2D', spread, flipped, plainAttrs(spread, flipped, axes), type, planner), type)]
}

export const lowerDepthwiseInputGradient: LowerFunction<'depthwiseConv2dInputGradient'> = ({
  attrs,
  inputs: [dyView, kernelView],
  types: [type],
  planner,
}) => {
  const [dy, kernel] = [planner.dense(dyView), planner.dense(kernelView)]
  const axes = axesOf(quad(attrs.inputShape), quad(kernel.shape), attrs)
  const spread = spreadGradient(dy, axes, planner)
  const filter = reversed(kernel, [0, 1], planner)
  const plain = plainAttrs(spread, filter, axes)
  return [made(convolve('DepthwiseConv2dNative', spread, filter, plain, type, planner), type)]
}

/** The maximum number of patch elements at a time: 16 MiB. */
const patchElementsMax = 1 << 22

export const lowerConvFilterGradient: LowerFunction<'conv2dFilterGradient'> = ({
  attrs,
  inputs: [xView, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(xView), planner.dense(dyView)]
  const [kh, kw, c, f] = quad(attrs.filterShape)
  const axes = axesOf(quad(x.shape), quad(attrs.filterShape), attrs)
  const positions = dy.shape.slice(0, 3).reduce((a, b) => a * b, 1)
  const gradient = as(dy, [1, positions, f])
  if (isPointwise(axes))
    return [
      made(product(as(x, [1, positions, c]), gradient, { transposeA: true, transposeB: false }, type, planner), type),
    ]
  const taps = kh * kw
  const perGroup = Math.max(1, Math.min(taps, Math.floor(patchElementsMax / (positions * c))))
  const groups: Operand[] = []
  for (let first = 0; first < taps; first += perGroup) {
    const count = Math.min(perGroup, taps - first)
    const patches = patchesOf(x, axes, { first, count }, 'position by position', planner)
    const part: Type = { dtype: type.dtype, shape: [count * c, f] }
    groups.push({
      slot: product(patches, gradient, { transposeA: true, transposeB: false }, part, planner),
      shape: part.shape,
      dtype: type.dtype,
    })
  }
  return [made(concatenated(groups, 0, { dtype: type.dtype, shape: [taps * c, f] }, planner), type)]
}
