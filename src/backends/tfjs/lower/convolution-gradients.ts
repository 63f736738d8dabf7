/**
 * Gradients of convolutions by forward kernels. With output position o, tap k, stride s, dilation d and padding p in front,
 * a convolution reads input position o*s + k*d - p. Turning the sum round gives, per axis:
 *
 * input gradient:   dx[i] = sum over k of dy'[i + p - k*d] * w[k], where dy' is dy with s-1 zeros between neighbours;
 *                   that is dy' convolved with the flipped kernel, dilation d, stride 1, padding (K-1)*d - p in front.
 * filter gradient:  dw[k] = sum over o of x[o*s + k*d - p] * dy[o];
 *                   that is x convolved with dy as the kernel, dilation s, stride d, padding p; K outputs are wanted.
 *
 * For depthwise filters the batch goes into the channels, and its sum comes last. For full filters the sum over positions is a matrix
 * product with the taps' patches of x, transposed; 1x1 kernels need no patches.
 */
import type { ConvAttrs, Pair } from '../../../ir/signatures.ts'
import { windowAxes, type Axis } from '../../../ir/ops/window.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import { copyStrided, type Walk } from '../../common/strided-copy.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { concatenated, padded, reversed, transposed } from './movement.ts'
import { product } from './product.ts'
import { as, made } from './shared.ts'

type Quad = readonly [number, number, number, number]
const quad = (shape: readonly number[]): Quad => shape as Quad // the ops checked rank 4

const axesOf = (
  x: Quad,
  kernel: Quad,
  attrs: Pick<ConvAttrs, 'strides' | 'padding' | 'dilations'>,
): readonly [Axis, Axis] => windowAxes([x[1], x[2]], [kernel[0], kernel[1]], attrs)

/** dy with zeros between neighbours and around, so that a valid convolution with the flipped kernel gives the input gradient; cropped where padding was deep. */
const spreadGradient = (dy: Operand, [h, w]: readonly [Axis, Axis], planner: Planner): Operand => {
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

const dilationsOf = ([h, w]: readonly [Axis, Axis]): Pair => [h.dilation, w.dilation]
const isPointwise = ([h, w]: readonly [Axis, Axis]): boolean =>
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
  const slot = planner.kernel(
    'Conv2D',
    { x: spread, filter: flipped },
    { strides: [1, 1], pad: 'valid', dilations: dilationsOf(axes), dataFormat: 'NHWC' },
    type,
  )
  return [made(slot, type)]
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
  const slot = planner.kernel(
    'DepthwiseConv2dNative',
    { x: spread, filter },
    { strides: [1, 1], pad: 'valid', dilations: dilationsOf(axes) },
    type,
  )
  return [made(slot, type)]
}

export const lowerDepthwiseFilterGradient: LowerFunction<'depthwiseConv2dFilterGradient'> = ({
  attrs,
  inputs: [xView, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(xView), planner.dense(dyView)]
  const [n, , , c] = quad(x.shape)
  const [h, w] = axesOf(quad(x.shape), quad(attrs.filterShape), attrs)
  // tfjs-cpu refuses strides and dilations together: there x is thinned out by dilation first, tap by tap (below).
  const needsTaps =
    planner.device.kind !== 'wasm' && [h, w].some((axis) => axis.dilation > 1) && [h, w].some((axis) => axis.stride > 1)
  const image = as(transposed(x, [1, 2, 0, 3], planner), [1, h.input, w.input, n * c])
  const filter = as(transposed(dy, [1, 2, 0, 3], planner), [h.output, w.output, n * c, 1])
  const perSample: Type = { dtype: type.dtype, shape: [1, h.window, w.window, n * c] }
  const slot = needsTaps
    ? tapSums(image, filter, [h, w], perSample, planner)
    : correlated(image, filter, [h, w], perSample, planner)
  if (n === 1) return [made(slot, type)]
  const taps = h.window * w.window
  const summed = planner.host1('Sum', [{ slot, shape: [taps, n, c], dtype: type.dtype }], type, ([parts], [sums]) => {
    for (let tap = 0, at = 0; tap < taps; tap++) {
      for (let i = 0; i < c; i++) (sums as HostArray)[tap * c + i] = 0
      for (let b = 0; b < n; b++)
        for (let i = 0; i < c; i++, at++)
          (sums as HostArray)[tap * c + i] =
            ((sums as HostArray)[tap * c + i] as number) + ((parts as HostArray)[at] as number)
    }
  })
  return [made(summed, type)]
}

/** x convolved with dy: dilation and stride change places. Padding behind is enough for the last tap; surplus outputs are cut off. */
const correlated = (
  image: Operand,
  filter: Operand,
  [h, w]: readonly [Axis, Axis],
  type: Type,
  planner: Planner,
): number => {
  const behind = (axis: Axis): number =>
    (axis.window - 1) * axis.dilation + (axis.output - 1) * axis.stride + 1 - axis.input - axis.before
  const pad = [
    [0, 0],
    [h.before, Math.max(0, behind(h))],
    [w.before, Math.max(0, behind(w))],
    [0, 0],
  ]
  const outputs = (axis: Axis): number =>
    behind(axis) >= 0 ? axis.window : axis.window + Math.floor(-behind(axis) / axis.dilation)
  const [, , , channels] = quad(image.shape)
  const shape = [1, outputs(h), outputs(w), channels]
  const attrs = { strides: [h.dilation, w.dilation], pad, dilations: [h.stride, w.stride] }
  const slot = planner.kernel('DepthwiseConv2dNative', { x: image, filter }, attrs, { dtype: type.dtype, shape })
  if (outputs(h) === h.window && outputs(w) === w.window) return slot
  return planner.moved({ slot, shape, dtype: type.dtype }, type, 0, stridesOf(shape), 'Slice')
}

/** The same sum by loops, for the rare case that no kernel takes. */
const tapSums = (
  image: Operand,
  filter: Operand,
  [h, w]: readonly [Axis, Axis],
  type: Type,
  planner: Planner,
): number => {
  const [, , , channels] = quad(image.shape)
  return planner.host1('taps', [image, filter], type, ([x, dy], [out]) => {
    const sums = new Float64Array((out as HostArray).length)
    for (let ky = 0; ky < h.window; ky++)
      for (let kx = 0; kx < w.window; kx++) {
        const tap = (ky * w.window + kx) * channels
        for (let y = 0; y < h.output; y++)
          for (let z = 0; z < w.output; z++) {
            const [iy, ix] = [y * h.stride + ky * h.dilation - h.before, z * w.stride + kx * w.dilation - w.before]
            if (iy < 0 || iy >= h.input || ix < 0 || ix >= w.input) continue
            const [from, at] = [(iy * w.input + ix) * channels, (y * w.output + z) * channels]
            for (let i = 0; i < channels; i++)
              sums[tap + i] =
                (sums[tap + i] as number) +
                ((x as HostArray)[from + i] as number) * ((dy as HostArray)[at + i] as number)
          }
      }
    out?.set(sums)
  })
}

/** Elements of patches made at a time: 16 MiB. */
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
    const patches = patchesOf(x, axes, first, count, planner)
    const part: Type = { dtype: type.dtype, shape: [count * c, f] }
    groups.push({
      slot: product(patches, gradient, { transposeA: true, transposeB: false }, part, planner),
      shape: part.shape,
      dtype: type.dtype,
    })
  }
  return [made(concatenated(groups, 0, { dtype: type.dtype, shape: [taps * c, f] }, planner), type)]
}

/** For each output position the input pixels under some taps, row-major over the taps: [1, N*H2*W2, count*C]; zeros outside of the image. */
const patchesOf = (
  x: Operand,
  [h, w]: readonly [Axis, Axis],
  first: number,
  count: number,
  planner: Planner,
): Operand => {
  const [n, , , c] = quad(x.shape)
  const shape = [1, n * h.output * w.output, count * c]
  const row = count * c
  const from = stridesOf(x.shape)
  const to = [h.output * w.output * row, w.output * row, row, 1]
  const blocks = Array.from({ length: count }, (_, i) => {
    const tap = first + i
    const [ys, xs] = [inside(h, Math.floor(tap / w.window)), inside(w, tap % w.window)]
    return {
      shape: [n, ys.count, xs.count, c],
      from: {
        at: ys.input * (from[1] ?? 0) + xs.input * c,
        strides: [from[0] ?? 0, h.stride * (from[1] ?? 0), w.stride * c, 1],
      } satisfies Walk,
      to: { at: ys.output * (to[1] ?? 0) + xs.output * row + i * c, strides: to } satisfies Walk,
    }
  }).filter((block) => block.shape.every((size) => size > 0))
  const slot = planner.host1('patches', [x], { dtype: x.dtype, shape }, ([source], [target]) => {
    target?.fill(0)
    for (const block of blocks) copyStrided(source as HostArray, block.from, target as HostArray, block.to, block.shape)
  })
  return { slot, shape, dtype: x.dtype }
}

/** The output positions whose tap k falls inside the image: the first of them, the input position it reads, how many. */
const inside = (axis: Axis, k: number): { readonly output: number; readonly input: number; readonly count: number } => {
  const shift = k * axis.dilation - axis.before
  const output = Math.max(0, Math.ceil(-shift / axis.stride))
  const last = Math.min(axis.output - 1, Math.floor((axis.input - 1 - shift) / axis.stride))
  return { output, input: output * axis.stride + shift, count: Math.max(0, last - output + 1) }
}
