/** WGSL loops over the pixels under a window, and over the windows that read a pixel. */
import type { Axis } from '../../../ir/ops/window.ts'
import type { Parameters } from './parameters.ts'

/** The sizes of an axis as parameters of a program. */
export type AxisText = { readonly [K in keyof Axis]: string }
export type AxisTexts = readonly [AxisText, AxisText]

export const axisTexts = (axes: readonly [Axis, Axis], p: Parameters): AxisTexts => [
  axisText(axes[0], p),
  axisText(axes[1], p),
]

const axisText = (axis: Axis, p: Parameters): AxisText => ({
  input: p.i(axis.input),
  window: p.i(axis.window),
  output: p.i(axis.output),
  stride: p.i(axis.stride),
  dilation: p.i(axis.dilation),
  before: p.i(axis.before),
  after: p.i(axis.after),
})

/** Statements for each pixel (y, x) inside of the image under the window at output position (oy, ox), in row-major order. */
export const eachPixel = ([h, w]: AxisTexts, statements: string): string =>
  `for (var ky = 0; ky < ${h.window}; ky = ky + 1) {
    let y = oy * ${h.stride} + ky * ${h.dilation} - ${h.before};
    if (y < 0 || y >= ${h.input}) { continue; }
    for (var kx = 0; kx < ${w.window}; kx = kx + 1) {
      let x = ox * ${w.stride} + kx * ${w.dilation} - ${w.before};
      if (x < 0 || x >= ${w.input}) { continue; }
      ${statements}
    }
  }`

/** Statements for each tap (ky, kx) and the output position (oy, ox) through which it reads the pixel (py, px). */
export const eachReader = ([h, w]: AxisTexts, statements: string): string =>
  `for (var ky = 0; ky < ${h.window}; ky = ky + 1) {
    let ty = py + ${h.before} - ky * ${h.dilation};
    let oy = ty / ${h.stride};
    if (ty < 0 || oy * ${h.stride} != ty || oy >= ${h.output}) { continue; }
    for (var kx = 0; kx < ${w.window}; kx = kx + 1) {
      let tx = px + ${w.before} - kx * ${w.dilation};
      let ox = tx / ${w.stride};
      if (tx < 0 || ox * ${w.stride} != tx || ox >= ${w.output}) { continue; }
      ${statements}
    }
  }`
