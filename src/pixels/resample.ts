/**
 * Separable resizing: each output pixel is a weighted mean of neighbouring input pixels, first along rows, then along columns. The results are the same
 * in Node and in browsers, and with the triangle filter the same as Pillow's, bit for bit.
 */
import type { Box } from './box.ts'
import { plainTriangle } from './resample-plain.ts'
import { fastTriangle } from './resample-fast.ts'
import { bilinearPairs, type Pairs, type Taps, triangleTaps } from './taps.ts'

/**
 * The resize filters.
 * - `triangle`: the weights fall linearly from the pixel's centre. When a picture shrinks, they cover all input pixels under an output pixel, so no
 *   pixel is ignored. Pillow and torchvision call this filter bilinear; in TensorFlow it needs `antialias=True`.
 * - `bilinear`: the four pixels around `output * input size / output size`, and no others. This is `tf.compat.v1.image.resize` with
 *   `align_corners=False`, by which the reference trains and evaluates. The place of a pixel is its corner, not its centre.
 */
export type ResizeFilter = 'triangle' | 'bilinear'

/** Rows, row-major [height, width, channels]. */
export interface PixelGrid {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

/** The arguments of a filter with integer arithmetic. */
export interface TriangleJob {
  readonly source: PixelGrid
  readonly box: Box
  /** The taps along a row of the result. */
  readonly across: Taps
  /** The taps along a column of the result. */
  readonly down: Taps
}

export interface ResizeOptions {
  readonly filter: ResizeFilter
  /** Whether left and right are exchanged. Default false. */
  readonly isMirrored?: boolean | undefined
}

/** Resizes a part of a picture to [height, width, channels]. Pixels outside of the box have no weight. */
export const resized = (
  source: PixelGrid,
  box: Box,
  [height, width]: readonly [number, number],
  { filter, isMirrored = false }: ResizeOptions,
): Uint8Array<ArrayBuffer> => {
  if (filter === 'bilinear') return bilinear(source, box, [height, width], isMirrored)
  const job = {
    source,
    box,
    across: triangleTaps(box.width, width, isMirrored),
    down: triangleTaps(box.height, height),
  }
  return fastTriangle(job) ?? plainTriangle(job)
}

/** Mirrors before it resizes, as the reference does: the other order gives another picture. */
const bilinear = (
  { channels, data, width: pictureWidth }: PixelGrid,
  { left, top, width: boxWidth, height: boxHeight }: Box,
  [height, width]: readonly [number, number],
  isMirrored: boolean,
): Uint8Array<ArrayBuffer> => {
  const [across, down] = [bilinearPairs(boxWidth, width), bilinearPairs(boxHeight, height)]
  const columns = ({ low, high }: Pairs): readonly (readonly [number, number])[] =>
    Array.from(low, (column, x) => {
      const pair = [column, high[x] as number] as const // one of each for every pixel
      const [a, b] = isMirrored ? pair.map((place) => boxWidth - 1 - place) : pair
      return [(left + (a as number)) * channels, (left + (b as number)) * channels] // of two
    })
  const places = columns(across)
  const out = new Uint8ClampedArray(height * width * channels) // rounds on assignment
  let to = 0
  for (let y = 0; y < height; y++) {
    const upper = (top + (down.low[y] as number)) * pictureWidth * channels // one of each for every row
    const lower = (top + (down.high[y] as number)) * pictureWidth * channels
    const v = down.weight[y] as number
    for (let x = 0; x < width; x++) {
      const [a, b] = places[x] as readonly [number, number]
      const u = across.weight[x] as number
      for (let c = 0; c < channels; c++) {
        const above = (1 - u) * (data[upper + a + c] as number) + u * (data[upper + b + c] as number) // within the box
        const below = (1 - u) * (data[lower + a + c] as number) + u * (data[lower + b + c] as number)
        out[to++] = (1 - v) * above + v * below
      }
    }
  }
  return new Uint8Array(out.buffer)
}
