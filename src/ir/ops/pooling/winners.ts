/** Elements at the places of the windows' maxima. It is the transpose of maxPool2dGradient, which second derivatives need. */
import type { OpEmitter } from '../../emitter.ts'
import type { WindowAttrs } from '../../signatures.ts'
import type { Value } from '../../value.ts'
import { sizeAt, windowAxes } from '../window.ts'

/**
 * For each window, the element of `values` [N,H,W,C] at the place of x's [N,H,W,C] first maximum; NaN counts as the largest: [N,H2,W2,C].
 * Makes one comparison per tap of the window, on strided slices, so it is for small windows.
 */
export const atMaxima = (b: OpEmitter, values: Value, x: Value, attrs: WindowAttrs): Value => {
  const [n, channels] = [sizeAt(x.shape, 0), sizeAt(x.shape, 3)]
  const [h, w] = windowAxes([sizeAt(x.shape, 1), sizeAt(x.shape, 2)], attrs.window, attrs)
  const low = [0, h.before, w.before, 0]
  const high = [0, h.after, w.after, 0]
  const isPadded = [...low, ...high].some((size) => size > 0)
  const padded = (image: Value): Value => (isPadded ? b.pad(image, low, high) : image)
  const tapOf = (image: Value, ky: number, kx: number): Value =>
    b.slice(
      image,
      [0, ky, kx, 0],
      [n, ky + (h.output - 1) * h.stride + 1, kx + (w.output - 1) * w.stride + 1, channels],
      [1, h.stride, w.stride, 1],
    )
  const images = { x: padded(x), values: padded(values) }
  // If all elements of a window are -infinity, its maximum must not be in the padding.
  const isInside = isPadded ? padded(b.splat(1, { dtype: 'bool', shape: x.shape })) : null
  const largest = b.maxPool2d(x, attrs)
  let picked = b.like(largest, 0)
  // From the last tap to the first, so that the first maximum overwrites later ones.
  for (let tap = h.window * w.window - 1; tap >= 0; tap--) {
    const at = [Math.floor(tap / w.window), tap % w.window] as const
    const here = tapOf(images.x, ...at)
    const isMaximum = b.binary('or', b.compare('eq', here, largest), b.compare('ne', here, here))
    const isWinner = isInside === null ? isMaximum : b.binary('and', isMaximum, tapOf(isInside, ...at))
    picked = b.select(isWinner, tapOf(images.values, ...at), picked)
  }
  return picked
}
