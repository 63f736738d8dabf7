/** The loop nest of all convolutions and their gradients: the triples of input pixel, tap and output pixel. */
import type { ConvAttrs } from '../../signatures.ts'
import { sizeAt, windowAxes } from '../window.ts'

/**
 * Visits all (input pixel, tap, output pixel) triples inside the image, x [N,H,W,C], kernel [KH,KW,A,B], y [N,H2,W2,F].
 * Passes the flat offsets of their first channels; the caller loops over channels. `yChannels` is F.
 */
export const convLoop = (
  xShape: readonly number[],
  kernelShape: readonly number[],
  attrs: Omit<ConvAttrs, 'resultDtype'>,
  visit: (xAt: number, kernelAt: number, yAt: number) => void,
  yChannels: number = sizeAt(kernelShape, 3),
): void => {
  const [n, c] = [sizeAt(xShape, 0), sizeAt(xShape, 3)]
  const [h, w] = windowAxes(
    [sizeAt(xShape, 1), sizeAt(xShape, 2)],
    [sizeAt(kernelShape, 0), sizeAt(kernelShape, 1)],
    attrs,
  )
  const tap = sizeAt(kernelShape, 2) * sizeAt(kernelShape, 3)
  for (let b = 0; b < n; b++) {
    for (let y = 0; y < h.output; y++) {
      for (let x = 0; x < w.output; x++) {
        const yAt = ((b * h.output + y) * w.output + x) * yChannels
        for (let ky = 0; ky < h.window; ky++) {
          const iy = y * h.stride + ky * h.dilation - h.before
          if (iy < 0 || iy >= h.input) continue
          for (let kx = 0; kx < w.window; kx++) {
            const ix = x * w.stride + kx * w.dilation - w.before
            if (ix < 0 || ix >= w.input) continue
            visit(((b * h.input + iy) * w.input + ix) * c, (ky * w.window + kx) * tap, yAt)
          }
        }
      }
    }
  }
}
