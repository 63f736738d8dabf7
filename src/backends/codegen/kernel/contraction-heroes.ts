/** Lowers sums of products: matrix products, convolutions and their gradients. */
import { windowAxes } from '../../../ir/ops/window.ts'
import type { ConvAttrs } from '../../../ir/signatures.ts'
import { type Axes, combined, type Four, type Hero, outputOf, pixelOf } from './hero.ts'
import type { Linear } from './kernel.ts'
import { coordinatesOf, fixed } from './linear.ts'

export const lowerMatmul: Hero<'matmul'> = ({ inputs: [a, b], attrs, types: [type], at: result }, source, p) => {
  const inner = source.typeOf(a).shape.at(attrs.transposeA ? -2 : -1) as number
  return combined(type, p, [inner], ([k]) => {
    const [batch, row, column] = [result.slice(0, -2), result.at(-2) as Linear, result.at(-1) as Linear]
    const at = (left: Linear, right: Linear, swap: boolean) => [...batch, ...(swap ? [right, left] : [left, right])]
    const factors = [
      source.pull(a, at(row, k as Linear, attrs.transposeA), p),
      source.pull(b, at(k as Linear, column, attrs.transposeB), p),
    ]
    return { monoid: 'sum', factors, guard: null }
  })
}

const convAxes = (image: readonly number[], kernel: readonly number[], attrs: ConvAttrs): Axes =>
  windowAxes([image[1] as number, image[2] as number], [kernel[0] as number, kernel[1] as number], attrs)

export const convolution =
  (isDepthwise: boolean): Hero<'conv2d' | 'depthwiseConv2d'> =>
  ({ inputs: [x, kernel], attrs, types: [type], at: result }, source, p) => {
    const [image, taps] = [source.typeOf(x).shape, source.typeOf(kernel).shape]
    const [h, w] = convAxes(image, taps, attrs)
    const sizes = [h.window, w.window, ...(isDepthwise ? [] : [taps[2] as number])]
    return combined(type, p, sizes, ([ky, kx, c]) => {
      const [n, oy, ox, f] = result as Four
      const channel = c ?? f
      const at = [n, pixelOf(h, oy, ky as Linear), pixelOf(w, ox, kx as Linear), channel]
      const weights = [ky as Linear, kx as Linear, channel, isDepthwise ? fixed(0) : f]
      return {
        monoid: 'sum',
        factors: [source.pull(x, at, p), source.pull(kernel, weights, p)],
        guard: p.inside(coordinatesOf(at, image)),
      }
    })
  }

export const inputGradient =
  (isDepthwise: boolean): Hero<'conv2dInputGradient' | 'depthwiseConv2dInputGradient'> =>
  ({ inputs: [dy, kernel], attrs, types: [type], at: result }, source, p) => {
    const [gradient, taps] = [source.typeOf(dy).shape, source.typeOf(kernel).shape]
    const [h, w] = convAxes(attrs.inputShape, taps, attrs)
    const sizes = [h.window, w.window, ...(isDepthwise ? [] : [taps[3] as number])]
    return combined(type, p, sizes, ([ky, kx, f]) => {
      const [n, y, x, c] = result as Four
      const at = [n, outputOf(h, y, ky as Linear), outputOf(w, x, kx as Linear), f ?? c]
      const weights = [ky as Linear, kx as Linear, c, f ?? fixed(0)]
      return {
        monoid: 'sum',
        factors: [source.pull(dy, at, p), source.pull(kernel, weights, p)],
        guard: p.inside(coordinatesOf(at, gradient)),
      }
    })
  }

export const filterGradient =
  (isDepthwise: boolean): Hero<'conv2dFilterGradient' | 'depthwiseConv2dFilterGradient'> =>
  ({ inputs: [x, dy], attrs, types: [type], at: result }, source, p) => {
    const [image, gradient] = [source.typeOf(x).shape, source.typeOf(dy).shape]
    const [h, w] = convAxes(image, attrs.filterShape, attrs)
    return combined(type, p, [gradient[0] as number, h.output, w.output], ([n, oy, ox]) => {
      const [ky, kx, c, f] = result as Four
      const at = [n as Linear, pixelOf(h, oy as Linear, ky), pixelOf(w, ox as Linear, kx), c]
      const output = [n as Linear, oy as Linear, ox as Linear, isDepthwise ? c : f]
      return {
        monoid: 'sum',
        factors: [source.pull(x, at, p), source.pull(dy, output, p)],
        guard: p.inside(coordinatesOf(at, image)),
      }
    })
  }
