/** Type rules and the loop of pooling ops. */
import { padding, positivePair, withDefault, type AttrSpecs } from '../../attrs.ts'
import type { WindowAttrs } from '../../signatures.ts'
import { isFloat, showType, type Type } from '../../types.ts'
import { sizeAt, windowAxes } from '../window.ts'

export const windowAttrSpecs: AttrSpecs<WindowAttrs> = {
  window: positivePair,
  strides: positivePair,
  padding: withDefault(padding, 'same'),
}

/** C1: a float image. C2: the window fits. C3: every window overlaps the image, for any strides. */
export const poolTypes = (x: Type, attrs: WindowAttrs): readonly [Type] | string => {
  if (x.shape.length !== 4 || !isFloat(x.dtype)) return `C1: a float operand of rank 4 is needed, got ${showType(x)}`
  const axes = windowAxes([sizeAt(x.shape, 1), sizeAt(x.shape, 2)], attrs.window, attrs)
  const [h, w] = axes
  if (h.output < 1 || w.output < 1)
    return `C2: a ${h.window}x${w.window} window does not fit into ${h.input}x${w.input}`
  if (axes.some((a) => a.before >= a.window || a.after >= a.window))
    return `C3: padding must be less than the ${h.window}x${w.window} window, got ${h.before} and ${h.after} above and below, ${w.before} and ${w.after} beside`
  return [{ dtype: x.dtype, shape: [sizeAt(x.shape, 0), h.output, w.output, sizeAt(x.shape, 3)] }]
}

/** Visits all pairs of an input and an output pixel as flat offsets of their first channels; windows and taps in row-major order. */
export const poolLoop = (
  shape: readonly number[],
  attrs: WindowAttrs,
  visit: (xAt: number, yAt: number) => void,
): void => {
  const [h, w] = windowAxes([sizeAt(shape, 1), sizeAt(shape, 2)], attrs.window, attrs)
  const channels = sizeAt(shape, 3)
  for (let n = 0; n < sizeAt(shape, 0); n++) {
    for (let y = 0; y < h.output; y++) {
      for (let x = 0; x < w.output; x++) {
        for (let ky = Math.max(0, h.before - y * h.stride); ky < h.window; ky++) {
          const iy = y * h.stride + ky - h.before
          if (iy >= h.input) break
          for (let kx = Math.max(0, w.before - x * w.stride); kx < w.window; kx++) {
            const ix = x * w.stride + kx - w.before
            if (ix >= w.input) break
            visit(((n * h.input + iy) * w.input + ix) * channels, ((n * h.output + y) * w.output + x) * channels)
          }
        }
      }
    }
  }
}

/** The number of image pixels in each output pixel's window, flat over [H2, W2] for one sample and channel. */
export const windowCounts = (shape: readonly number[], attrs: WindowAttrs): Float64Array => {
  const [h, w] = windowAxes([sizeAt(shape, 1), sizeAt(shape, 2)], attrs.window, attrs)
  const counts = new Float64Array(h.output * w.output)
  poolLoop([1, h.input, w.input, 1], attrs, (_x, y) => {
    counts[y] = (counts[y] as number) + 1
  })
  return counts
}
