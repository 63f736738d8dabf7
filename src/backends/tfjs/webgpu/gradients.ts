/**
 * Gradients of convolutions. tfjs's kernels run one invocation per element of the filter and do not support dilations, and its products over long inner
 * dimensions add by atomics, in any order. Here a filter gradient of a 1x1 convolution is a product in slices of the positions. Filter gradients of
 * other windows are WGSL programs with an invocation per element of the filter and slice of the rows, followed by a sum over the slices.
 */
import { elements, type Type } from '../../../ir/types.ts'
import { as, made } from '../lower/shared.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { sizeAt } from '../../../ir/ops/window.ts'
import { type Axes, axesOf, isPointwise, type Quad, quad } from '../lower/convolution-gradients.ts'
import { coordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'
import { slicedProduct, webgpuProduct } from './product.ts'
import { reduced } from './reduction.ts'
import { axisTexts, eachReader } from './window-math.ts'

const pixelOf = ({ shape }: Type, p: Parameters): string =>
  `${coordinates('i', shape, ['u0', 'u1', 'u2', 'u3'], p)}
  let sample = i32(u0); let py = i32(u1); let px = i32(u2); let c = i32(u3);`

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
    const positions = elements(dy.shape) / f
    const operands = [as(dy, [1, positions, f]), as(kernel, [1, c, f])] as const
    return [made(webgpuProduct(...operands, { transposeA: false, transposeB: true }, type, planner), type)]
  }
  return [made(inputGradient('conv2dInputGradient', dy, kernel, axes, type, planner), type)]
}

export const lowerDepthwiseInputGradient: LowerFunction<'depthwiseConv2dInputGradient'> = ({
  attrs,
  inputs: [dyView, kernelView],
  types: [type],
  planner,
}) => {
  const [dy, kernel] = [planner.dense(dyView), planner.dense(kernelView)]
  const axes = axesOf(quad(attrs.inputShape), quad(kernel.shape), attrs)
  return [made(inputGradient('depthwiseConv2dInputGradient', dy, kernel, axes, type, planner), type)]
}

/** dx[n, y, x, c] = sum of dy times the tap over all positions that read the pixel, and over all filters or, if depthwise, the channel's own. */
const inputGradient = (
  name: 'conv2dInputGradient' | 'depthwiseConv2dInputGradient',
  dy: Operand,
  kernel: Operand,
  axes: Axes,
  type: Type,
  planner: Planner,
): number => {
  const p = new Parameters()
  const [h, w] = axisTexts(axes, p)
  const [channels, filters] = [p.i(sizeAt(kernel.shape, 2)), p.i(sizeAt(dy.shape, 3))]
  const filter = name === 'conv2dInputGradient' ? 'k' : 'c'
  const product = `sum = sum + x0[position * ${filters} + ${filter}] * x1[tap${filter === 'k' ? ` * ${filters} + k` : ''}];`
  const taps = `let position = (sample * ${h.output} + oy) * ${w.output} + ox;
      let tap = (ky * ${w.window} + kx) * ${channels} + c;
      ${filter === 'k' ? `for (var k = 0; k < ${filters}; k = k + 1) { ${product} }` : product}`
  const body = `${pixelOf(type, p)}\n  var sum = 0.0;\n  ${eachReader([h, w], taps)}\n  result[i] = sum;`
  return planner.shader(name, [dy, kernel], type, { body, parameters: p })
}

export const lowerConvFilterGradient: LowerFunction<'conv2dFilterGradient'> = ({
  attrs,
  inputs: [xView, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(xView), planner.dense(dyView)]
  const filter = quad(attrs.filterShape)
  const [, , c, f] = filter
  const axes = axesOf(quad(x.shape), filter, attrs)
  if (isPointwise(axes)) {
    const positions = elements(dy.shape) / f
    return [made(slicedProduct(as(x, [1, positions, c]), as(dy, [1, positions, f]), type, planner), type)]
  }
  return [made(filterGradient('conv2dFilterGradient', x, dy, axes, filter, type, planner), type)]
}

export const lowerDepthwiseFilterGradient: LowerFunction<'depthwiseConv2dFilterGradient'> = ({
  attrs,
  inputs: [xView, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(xView), planner.dense(dyView)]
  const filter = quad(attrs.filterShape)
  const axes = axesOf(quad(x.shape), filter, attrs)
  return [made(filterGradient('depthwiseConv2dFilterGradient', x, dy, axes, filter, type, planner), type)]
}

/** The number of invocations that fill a device, and the maximum number of positions that one of them adds, to limit rounding errors. */
const [invocationsWanted, positionsMax] = [1 << 14, 512]

/** dw[ky, kx, c, f] = sum over positions of x at the tap times dy. For a depthwise filter [.., C, 1] dy has the channel of x. */
const filterGradient = (
  name: string,
  x: Operand,
  dy: Operand,
  axes: Axes,
  filter: Quad,
  type: Type,
  planner: Planner,
): number => {
  const [samples, , , c] = quad(x.shape)
  const outputs = dy.shape[3] ?? 1
  const rows = samples * axes[0].output
  const size = elements(filter)
  const wanted = Math.max(Math.ceil(invocationsWanted / size), Math.ceil((rows * axes[1].output) / positionsMax))
  const slices = Math.min(rows, wanted)
  const shape = [slices, ...filter]
  const p = new Parameters()
  const [h, w] = axisTexts(axes, p)
  const names = ['slice', 'ky', 'kx', 'c', 'f']
  const body = `${coordinates(
    'i',
    shape,
    names.map((each) => `u_${each}`),
    p,
  )}
  ${names.map((each) => `let ${each} = i32(u_${each});`).join(' ')}
  var sum = 0.0;
  for (var row = slice; row < ${p.i(rows)}; row = row + ${p.i(slices)}) {
    let sample = row / ${h.output};
    let y = (row - sample * ${h.output}) * ${h.stride} + ky * ${h.dilation} - ${h.before};
    if (y < 0 || y >= ${h.input}) { continue; }
    let line = (sample * ${h.input} + y) * ${w.input};
    for (var ox = 0; ox < ${w.output}; ox = ox + 1) {
      let x = ox * ${w.stride} + kx * ${w.dilation} - ${w.before};
      if (x < 0 || x >= ${w.input}) { continue; }
      sum = sum + x0[(line + x) * ${p.i(c)} + c] * x1[(row * ${w.output} + ox) * ${p.i(outputs)} + ${name === 'conv2dFilterGradient' ? 'f' : 'c'}];
    }
  }
  result[i] = sum;`
  const slot = planner.shader(name, [x, dy], { dtype: type.dtype, shape }, { body, parameters: p })
  if (slices === 1) return slot
  const group = { outer: 1, reduced: slices, inner: size }
  const operands = [{ slot, shape: [1, slices, size], dtype: type.dtype }]
  return reduced({ name, fold: 'sum', group, operands }, type.dtype, planner).slot
}
