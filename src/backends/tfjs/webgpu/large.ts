/**
 * Products and convolutions that are too large for tfjs's programs. Those use one dimension of workgroups each for batch, rows and columns, and WebGPU
 * guarantees only 65,535 per dimension. Programs of effuse use one dimension for all elements, which tfjs folds.
 */
import { sizeAt, windowAxes } from '../../../ir/ops/window.ts'
import type { Type } from '../../../ir/types.ts'
import type { KernelConvAttrs } from '../lower/convolve.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { coordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'
import { axisTexts, eachPixel } from './window-math.ts'

/** The maximum of workgroups along a dimension, and the rows and columns per workgroup of tfjs's programs for large sizes. */
const [workgroupsMax, tile] = [65_535, 32]

/** Can tfjs's programs compute a product of this size, or a convolution as such a product? */
export const fitsDispatch = (batch: number, rows: number, columns: number): boolean =>
  batch <= workgroupsMax && rows <= tile * workgroupsMax && columns <= tile * workgroupsMax

/** The number of equal parts, each of which fits, that the rows can be split into; null if there is none. */
export const partsOfRows = (rows: number): number | null => {
  for (let parts = Math.ceil(rows / (tile * workgroupsMax)); parts <= workgroupsMax; parts++)
    if (rows % parts === 0) return parts
  return null
}

/** A product of [B, M, K] and [B, K, N] with an invocation for each element. */
export const largeProduct = (
  a: Operand,
  b: Operand,
  flags: { readonly transposeA: boolean; readonly transposeB: boolean },
  type: Type,
  planner: Planner,
): number => {
  const [batch, rows, inner] = flags.transposeA ? [a.shape[0], a.shape[2], a.shape[1]] : a.shape
  const columns = sizeAt(b.shape, flags.transposeB ? 1 : 2)
  const p = new Parameters()
  const [m, n, k] = [p.i(rows ?? 1), p.i(columns), p.i(inner ?? 1)]
  const left = flags.transposeA ? `(sample * ${k} + k) * ${m} + row` : `(sample * ${m} + row) * ${k} + k`
  const right = flags.transposeB ? `(sample * ${n} + column) * ${k} + k` : `(sample * ${k} + k) * ${n} + column`
  const body = `${coordinates('i', [batch ?? 1, rows ?? 1, columns], ['u0', 'u1', 'u2'], p)}
  let sample = i32(u0); let row = i32(u1); let column = i32(u2);
  var sum = 0.0;
  for (var k = 0; k < ${k}; k = k + 1) { sum = sum + x0[${left}] * x1[${right}]; }
  result[i] = sum;`
  return planner.shader('matmul', [a, b], type, { body, parameters: p })
}

/** A convolution of x [N,H,W,C] with a filter [KH,KW,C,F] with an invocation for each element. */
export const largeConvolution = (
  x: Operand,
  filter: Operand,
  { strides, dilations, pad: [, above = [0, 0], beside = [0, 0]] }: KernelConvAttrs,
  type: Type,
  planner: Planner,
): number => {
  const axes = windowAxes(
    [sizeAt(x.shape, 1), sizeAt(x.shape, 2)],
    [sizeAt(filter.shape, 0), sizeAt(filter.shape, 1)],
    { strides, dilations, padding: [above, beside] },
  )
  const p = new Parameters()
  const [h, w] = axisTexts(axes, p)
  const [channels, filters] = [p.i(sizeAt(filter.shape, 2)), p.i(sizeAt(filter.shape, 3))]
  const products = `let pixel = ((sample * ${h.input} + y) * ${w.input} + x) * ${channels};
      let tap = (ky * ${w.window} + kx) * ${channels};
      for (var c = 0; c < ${channels}; c = c + 1) { sum = sum + x0[pixel + c] * x1[(tap + c) * ${filters} + f]; }`
  const body = `${coordinates('i', type.shape, ['u0', 'u1', 'u2', 'u3'], p)}
  let sample = i32(u0); let oy = i32(u1); let ox = i32(u2); let f = i32(u3);
  var sum = 0.0;
  ${eachPixel([h, w], products)}
  result[i] = sum;`
  return planner.shader('conv2d', [x, filter], type, { body, parameters: p })
}
